"""Our frames compared with pika's: written, and read whole, in pieces and damaged."""

import random
from typing import Any

import pika
import pytest
from pika import frame, spec
from pika.adapters.asyncio_connection import AsyncioConnection
from pika.compat import long

from messaging.envelope import Envelope
from messaging.rabbitmq import direct_connection
from messaging.rabbitmq.amqp import delivery_of, properties_of
from messaging.rabbitmq.wire import layout
from messaging.rabbitmq.wire.reading import Incomplete, Uncommon, read_delivery
from messaging.rabbitmq.wire.writing import write_ack, write_publish, write_reject

CHANNEL = 3
PLAIN = Envelope(type="risk.assess", body=b'{"a":1}')
FULL = Envelope(
    type="risk.assess",
    body="{“é”}".encode(),
    correlation_id="c-1",
    reply_to="replies.node",
    user_id="guest",
    headers={
        "deadline": 1_764_000_000_000,
        "dead-number": 2,
        "subject": "pay_é",
        "traceparent": "00-1",
        "schema-version": True,
    },
)
EMPTY = Envelope(type="t", body=b"", headers={})


def decoded(data: bytes) -> list[Any]:
    """Decode frames with pika."""
    frames = []
    while data:
        consumed, value = frame.decode_frame(data)
        assert value is not None
        frames.append(value)
        data = data[consumed:]
    return frames


def delivered(
    envelope: Envelope, *, redelivered: bool = False, properties: pika.BasicProperties | None = None
) -> bytes:
    """Return the bytes that RabbitMQ sends for a message that was published to it."""
    properties = properties or properties_of(envelope, "guest")
    if isinstance(properties.headers, dict) and "dead-number" in properties.headers:
        # RabbitMQ keeps the type of a number. Ours has 64 bits, pika's only 32 if they suffice.
        properties.headers["dead-number"] = long(properties.headers["dead-number"])
    method = spec.Basic.Deliver("ctag1.x", 77, redelivered, "commands", "risk")
    parts = [frame.Method(CHANNEL, method), frame.Header(CHANNEL, len(envelope.body), properties)]
    if envelope.body:
        parts.append(frame.Body(CHANNEL, envelope.body))
    return b"".join(part.marshal() for part in parts)


def header_at(data: bytes) -> int:
    consumed, _ = frame.decode_frame(data)
    return consumed


@pytest.mark.parametrize("envelope", [PLAIN, FULL, EMPTY])
def test_a_publish_is_what_pika_would_have_sent(envelope: Envelope):
    written = decoded(write_publish(CHANNEL, "commands", "risk", envelope, "guest", 131_064))
    method, header, *bodies = written
    assert (method.method.exchange, method.method.routing_key) == ("commands", "risk")
    assert method.method.mandatory
    assert not method.method.immediate
    assert header.body_size == len(envelope.body)
    assert vars(header.properties) == vars(properties_of(envelope, "guest"))
    assert b"".join(body.fragment for body in bodies) == envelope.body
    assert {each.channel_number for each in written} == {CHANNEL}


def test_a_large_body_is_sent_in_frames_that_the_broker_takes():
    envelope = Envelope(type="t", body=bytes(range(256)) * 10)
    _, _, *bodies = decoded(write_publish(CHANNEL, "x", "y", envelope, "guest", 1000))
    assert [len(body.fragment) for body in bodies] == [1000, 1000, 560]
    assert b"".join(body.fragment for body in bodies) == envelope.body


@pytest.mark.parametrize(
    "envelope",
    [
        Envelope(type="t" * 256, body=b""),
        Envelope(type="t", body=b"", headers={"deadline": 1 << 63}),
        Envelope(type="t", body=b"", headers={"dead-" + "n" * 251: 1}),
    ],
)
def test_what_amqp_cannot_carry_is_not_written(envelope: Envelope):
    with pytest.raises(ValueError):
        write_publish(CHANNEL, "x", "y", envelope, "guest", 1000)


def test_properties_may_fill_a_frame_and_no_more():
    def written(length: int) -> bytes:
        envelope = Envelope(type="t", body=b"", headers={"baggage": "x" * length})
        return write_publish(CHANNEL, "x", "y", envelope, "guest", 1000)

    def fits(length: int) -> bool:
        try:
            written(length)
        except ValueError:
            return False
        return True

    longest = max(filter(fits, range(1000)))
    data = written(longest)
    at = header_at(data)
    assert layout.FRAME_HEAD.unpack_from(data, at) == (layout.HEADER, CHANNEL, 1000)


def test_a_delivery_is_settled_as_pika_would_have_settled_it():
    (ack,) = decoded(write_ack(CHANNEL, 1 << 40))
    assert isinstance(ack.method, spec.Basic.Ack)
    assert (ack.method.delivery_tag, ack.method.multiple) == (1 << 40, False)
    for requeue in (True, False):
        (reject,) = decoded(write_reject(CHANNEL, 7, requeue))
        assert isinstance(reject.method, spec.Basic.Reject)
        assert (reject.method.delivery_tag, reject.method.requeue) == (7, requeue)


@pytest.mark.parametrize("envelope", [PLAIN, FULL, EMPTY])
@pytest.mark.parametrize("before", [b"", b"what was read before"])
def test_a_delivery_is_read_as_pika_would_have_read_it(envelope: Envelope, before: bytes):
    data = delivered(envelope)
    start = len(before)
    at = start + header_at(data)
    delivery, tag, end = read_delivery("commands.risk", before + data + b"what comes next", start, at)
    method, header = decoded(data)[:2]
    assert delivery == delivery_of("commands.risk", method.method, header.properties, envelope.body)
    assert (tag, end) == (77, start + len(data))


@pytest.mark.parametrize("envelope", [PLAIN, FULL, EMPTY])
def test_a_delivery_that_has_arrived_in_part_is_waited_for(envelope: Envelope):
    data = delivered(envelope)
    at = header_at(data)
    for length in range(at, len(data)):
        with pytest.raises(Incomplete):
            read_delivery("q", data[:length], 0, at)


@pytest.mark.parametrize(
    "data",
    [
        delivered(PLAIN, redelivered=True),
        delivered(PLAIN, properties=pika.BasicProperties(type="t", content_type="application/json")),
        delivered(PLAIN, properties=pika.BasicProperties(type="", message_id="m", content_type="x")),
        delivered(
            PLAIN,
            properties=pika.BasicProperties(
                type="t", message_id="m", content_type="application/json", headers={"x-delivery-count": 1}
            ),
        ),
        delivered(
            PLAIN,
            properties=pika.BasicProperties(
                type="t", message_id="m", content_type="application/json", headers={"deadline": "soon"}
            ),
        ),
        delivered(
            PLAIN, properties=pika.BasicProperties(type="t", message_id="m", content_type="x", priority=1)
        ),
        delivered(
            Envelope(type="t", content_type="application/octet-stream", body=b"x" * 300_000),
            properties=pika.BasicProperties(type="t", message_id="m", content_type="application/json"),
        ),
    ],
    ids=[
        "a second time",
        "no id",
        "no type",
        "the broker's words",
        "a wrong kind",
        "a priority",
        "over the limit",
    ],
)
def test_what_is_uncommon_or_breaks_the_contract_is_left_to_pika(data: bytes):
    with pytest.raises(Uncommon):
        read_delivery("q", data, 0, header_at(data))


def test_a_body_in_several_frames_is_left_to_pika():
    data = delivered(PLAIN)[: -len(PLAIN.body) - 8]
    data += frame.Body(CHANNEL, PLAIN.body[:3]).marshal() + frame.Body(CHANNEL, PLAIN.body[3:]).marshal()
    with pytest.raises(Uncommon):
        read_delivery("q", data, 0, header_at(data))


def test_content_of_another_channel_between_the_frames_is_left_to_pika():
    method, header, body = (each.marshal() for each in decoded(delivered(PLAIN)))
    foreign = header[:1] + (CHANNEL + 1).to_bytes(2) + header[3:]
    for data in (method + foreign + body, method + header + body[:1] + b"\x00\x09" + body[3:]):
        with pytest.raises(Uncommon):
            read_delivery("q", data, 0, len(method))


def test_damaged_bytes_are_read_as_something_or_left_to_pika_but_never_an_error():
    chance = random.Random(7)  # noqa: S311
    data = delivered(FULL)
    at = header_at(data)
    outcomes = set()
    for _ in range(20_000):
        damaged = bytearray(data)
        for _ in range(chance.randint(1, 3)):
            damaged[chance.randrange(7, len(data))] = chance.randrange(256)
        try:
            read_delivery("q", bytes(damaged), 0, at)
            outcomes.add("read")
        except (Incomplete, Uncommon) as error:
            outcomes.add(type(error).__name__)
    assert outcomes == {"read", "Incomplete", "Uncommon"}


def test_the_installed_pika_has_the_insides_that_the_shorter_way_needs():
    assert direct_connection.is_possible(), "pika has changed: look at direct_connection.py"


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("_on_data_available", lambda self, chunks: None),
        ("_process_frame", lambda self, value, channel: None),
        ("_adapter_emit_data", None),
    ],
)
def test_changed_insides_are_noticed(monkeypatch: pytest.MonkeyPatch, name: str, changed: object):
    monkeypatch.setattr(AsyncioConnection, name, changed)
    assert not direct_connection.is_possible.__wrapped__()
