"""Envelopes, message ids, replies and the topology: the values of the contract."""

import json
import os
import re
import uuid

import pytest
from hypothesis import given, strategies as st

from messaging.access.participants import Participant, Participants
from messaging.access.permissions import permissions_of
from messaging.delivery import Delivery
from messaging.envelope import MAX_BODY_BYTES, Envelope, Reply, new_message_id
from messaging.errors import MalformedMessage, RemoteError
from messaging.topology import Topology


def test_message_ids_are_uuids_of_version_7_and_ordered_by_time():
    ids = [new_message_id() for _ in range(10_000)]
    assert ids == sorted(ids)
    assert len(set(ids)) == len(ids)
    parsed = uuid.UUID(ids[0])
    assert (parsed.version, parsed.variant) == (7, uuid.RFC_4122)


def test_a_forked_process_makes_other_ids():
    reader, writer = os.pipe()
    before = new_message_id()
    child = os.fork()
    if child == 0:
        os.write(writer, new_message_id().encode())
        os._exit(0)
    os.waitpid(child, 0)
    theirs = os.read(reader, 100).decode()
    os.close(reader)
    os.close(writer)
    assert theirs[-14:] != new_message_id()[-14:]
    assert before != theirs


def test_a_body_over_the_limit_is_malformed():
    Envelope(type="t", body=b"x" * MAX_BODY_BYTES)
    with pytest.raises(MalformedMessage):
        Envelope(type="t", body=b"x" * (MAX_BODY_BYTES + 1))


def test_secrets_and_bodies_are_not_shown():
    envelope = Envelope(type="t", body=b"hush", headers={"sealed": "secret"})
    delivery = Delivery(envelope=envelope, exchange="", routing_key="", raw=b"hush, secret")
    for shown in (envelope, delivery):
        for told in (repr(shown), repr(shown.__rich_repr__())):
            assert "secret" not in told
            assert "hush" not in told


def test_trace_context_and_baggage_alone_travel_on():
    envelope = Envelope(
        type="t",
        body=b"{}",
        headers={
            "deadline": 1,
            "schema-version": 1,
            "causation-id": "m",
            "subject": "s",
            "sealed": "secret",
            "traceparent": "t",
            "tracestate": "s",
            "baggage": "b",
            "CC": "ledger",
            "theirs": True,
        },
    )
    assert envelope.travelling_headers() == {"traceparent": "t", "tracestate": "s", "baggage": "b"}
    assert envelope.with_sealed("").sealed == ""
    assert envelope.with_sealed("other").sealed == "other"


@given(
    st.dictionaries(
        st.text(),
        st.recursive(
            st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(), st.lists, max_leaves=10
        ),
    )
)
def test_a_reply_survives_the_wire(result: dict[str, object]):
    assert Reply.decode(Reply.success(result).encode()).unwrap() == result


def test_replies_look_as_the_contract_says():
    assert json.loads(Reply.success({"n": 1}).encode()) == {"ok": True, "result": {"n": 1}}
    assert json.loads(Reply.success({}).encode()) == {"ok": True, "result": {}}
    assert json.loads(Reply.failure("c", "m", True).encode()) == {
        "ok": False,
        "error": {"code": "c", "message": "m", "retryable": True},
    }
    with pytest.raises(RemoteError):
        Reply.failure("c", "m").unwrap()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"\xff",
        b'{"ok": true, "result": 5}',
        b'{"ok": true}',
        b'{"ok": true, "result": {}, "error": null}',
        b'{"ok": false, "error": null}',
        b'{"ok": false, "error": {"code": "c", "message": "m"}, "result": {}}',
        b'{"ok": false, "error": {"code": "c", "message": "m", "retryable": "yes"}}',
        b'{"ok": true, "error": {"code": "c", "message": "m"}}',
        b'{"ok": false}',
        b'{"ok": false, "result": {}}',
        b'{"ok": "yes", "result": {}}',
        b'{"ok": true, "result": {}, "more": 1}',
        b'{"ok": false, "error": {"code": 5, "message": "m"}}',
    ],
)
def test_what_is_no_reply_is_malformed(body: bytes):
    with pytest.raises(MalformedMessage):
        Reply.decode(body)


@given(st.binary())
def test_any_other_bytes_are_a_reply_or_malformed(body: bytes):
    try:
        Reply.decode(body)
    except MalformedMessage:
        return


def test_work_queues_lose_nothing_silently():
    topology = Topology("shop")
    for queue in (
        topology.service_queue("risk"),
        topology.reply_queue("saga"),
        topology.event_queue("log", ("#",)),
    ):
        assert queue.arguments["x-queue-type"] == "quorum"
        assert queue.arguments["x-dead-letter-exchange"] == "shop.dead"
        assert queue.arguments["x-dead-letter-strategy"] == "at-least-once"
        assert queue.arguments["x-overflow"] == "reject-publish"
        assert queue.arguments["x-delivery-limit"] == 20
        assert queue.bindings


def test_the_number_of_copies_is_set_for_quorum_queues_only():
    topology = Topology("shop", quorum_group_size=5)
    size = "x-quorum-initial-group-size"
    assert topology.service_queue("risk").arguments[size] == topology.dead_queue.arguments[size] == 5
    assert size not in topology.instance_queue("web-1").arguments
    assert size not in Topology("shop").service_queue("risk").arguments


def test_the_pattern_of_replicated_queues_has_no_queue_of_a_process():
    topology = Topology("my.shop")
    replicated = re.compile(topology.replicated)
    for queue in (topology.service_queue("risk"), topology.reply_queue("saga"), topology.dead_queue):
        assert replicated.search(queue.name)
    for name in (
        topology.instance_queue("web-1").name,
        "my_shop.dead",
        "my.shop.deadly",
    ):
        assert not replicated.search(name)


def test_only_events_and_replies_to_processes_may_go_unheard():
    topology = Topology("shop")
    assert topology.may_go_unheard("shop.events", "payment.captured")
    assert topology.may_go_unheard("shop.replies", topology.instance_queue("b1").name)
    assert not topology.may_go_unheard("shop.replies", topology.reply_queue("saga").name)
    assert not topology.may_go_unheard("shop.commands", "risk")


@pytest.mark.parametrize("name", ["fraud-check", "a_name_with_more_than_thirty_letters", "entrepôt"])
def test_a_program_with_any_name_waits_at_the_addresses_at_which_it_may_be_answered(name: str):
    topology = Topology("shop")
    owner = topology.owner_of(topology.user(name))
    address = topology.instance_queue_name(f"{owner}-0123456789abcdef0123")
    assert Participant(name).hears_at(topology, address)
    table = Participants([Participant(name, sends=frozenset({"risk.assess"})), Participant("risk")])
    for each in table:
        assert permissions_of(each, topology, table).may_publish(topology.replies, address)
