"""A broker user for each program: the rights of each user, and that no user can send as another."""

import asyncio
from collections.abc import Callable
from functools import partial

import pika
import pytest
from django.core.exceptions import ImproperlyConfigured
from msgspec.structs import replace
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import ChannelClosedByBroker

from checkout.participants import participants, require_user
from messaging import rpc
from messaging.access.participants import Participant, Participants
from messaging.broker import Broker
from messaging.delivery import Delivery
from messaging.envelope import Envelope, Reply
from messaging.errors import PublishRejected, Undeliverable
from messaging.registry import get_broker
from messaging.topology import Binding, Queue
from tests.support.broker_users import let_do_anything, url_of
from tests.support.brokers import Inbox, Lab, RabbitmqLab, command, within


@pytest.fixture(autouse=True)
async def _users(lab: Lab, settings) -> None:
    await lab.make_users()
    settings.MESSAGING_SINGLE_BROKER_USER = False
    settings.BROKER_URL = url_of("web", lab.url, prefix=lab.prefix)


async def reading(broker: Broker, queue: Queue) -> Inbox:
    inbox = Inbox()
    await broker.declare(queue)
    await broker.consume(queue.name, inbox, prefetch=10, auto_ack=True)
    return inbox


async def is_taken(broker: Broker, exchange: str, key: str, envelope: Envelope | None = None) -> bool:
    """Return True if the broker accepts a message from this user. A rejection ends the connection."""
    try:
        await broker.publish(exchange, key, envelope or command(), timeout_seconds=10)
    except PublishRejected:
        await within(broker.wait_connected())
        return False
    return True


async def test_a_service_takes_its_commands_and_answers_whoever_asks_it(lab: Lab):
    asker, risk = await lab.broker_of("checkout"), await lab.broker_of("risk")
    commands = await reading(risk, risk.topology.service_queue("risk"))
    replies = await reading(asker, asker.topology.reply_queue("saga"))
    assert await is_taken(asker, asker.topology.commands, "risk")
    delivery = await commands.next()
    assert delivery.envelope is not None
    assert delivery.envelope.user_id == f"{lab.prefix}.checkout"
    assert await is_taken(risk, risk.topology.replies, f"{lab.prefix}.replies.saga")
    answer = await replies.next()
    assert answer.envelope is not None
    assert answer.envelope.user_id == f"{lab.prefix}.risk"


async def test_a_service_that_asks_nothing_can_send_no_command(lab: Lab):
    ledger, risk = await lab.broker_of("ledger"), await lab.broker_of("risk")
    await ledger.declare(ledger.topology.service_queue("ledger"))
    assert not await is_taken(risk, risk.topology.commands, "ledger")


async def test_a_participant_sends_only_to_services_that_it_asks(lab: Lab):
    ledger, web = await lab.broker_of("ledger"), await lab.broker_of("web")
    checkout = await lab.broker_of("checkout")
    await ledger.declare(ledger.topology.service_queue("ledger"))
    await checkout.declare(checkout.topology.service_queue("checkout"))
    assert await is_taken(web, web.topology.commands, "checkout")
    assert not await is_taken(web, web.topology.commands, "ledger")


async def test_a_service_answers_nobody_who_does_not_ask_it(lab: Lab):
    risk, web = await lab.broker_of("risk"), await lab.broker_of("web")
    assert not await is_taken(risk, risk.topology.replies, web.reply_queue.name)


async def test_only_those_who_announce_events_can(lab: Lab):
    # A consumer of events needs a queue of its own, so its user gets all rights in this test.
    listener = await lab.broker_of("risk")
    await asyncio.to_thread(let_do_anything, "risk", lab.url, prefix=lab.prefix)
    relay, checkout = await lab.broker_of("relay"), await lab.broker_of("checkout")
    heard = await reading(listener, listener.topology.event_queue("risk", ("#",)))
    assert not await is_taken(checkout, checkout.topology.events, "payment.captured")
    assert not await is_taken(relay, relay.topology.events, "stock.sold_out")
    assert await is_taken(relay, relay.topology.events, "payment.captured")
    assert (await heard.next()).routing_key == "payment.captured"


async def test_what_is_published_alone_takes_no_other_message_down_when_it_is_rejected(lab: Lab):
    relay, risk = await lab.broker_of("relay"), await lab.broker_of("risk")
    topology = relay.topology
    before = relay.metrics()["connections_lost"]
    with pytest.raises(PublishRejected):
        await relay.publish_alone(topology.events, "stock.sold_out", command(), timeout_seconds=10)
    with pytest.raises(Undeliverable):
        await relay.publish_alone(topology.events, "payment.captured", command(), timeout_seconds=10)
    inbox = await reading(risk, topology.service_queue("risk"))
    await relay.publish_alone(topology.commands, "risk", command(), timeout_seconds=10)
    assert (await inbox.next()).routing_key == "risk"
    assert relay.metrics()["connections_lost"] == before


async def test_what_is_under_way_behind_a_rejected_message_may_be_the_rejected_one(lab: Lab):
    relay = await lab.broker_of("relay")
    events = relay.topology.events
    outcomes = await asyncio.gather(
        relay.publish(events, "stock.sold_out", command(), timeout_seconds=10),
        relay.publish(events, "payment.captured", command(), timeout_seconds=10),
        return_exceptions=True,
    )
    assert [type(outcome) for outcome in outcomes] == [PublishRejected, PublishRejected]
    await within(relay.wait_connected())
    with pytest.raises(Undeliverable):
        await relay.publish(events, "payment.captured", command(), timeout_seconds=10)


LISTENERS = [
    Participant("warehouse", serves=False, listens=True, audiences=frozenset({"shop"})),
    Participant("books", serves=False, listens=True),
]


@pytest.mark.parametrize("key", ["#", "payment.#", "#.shop", "*.*.*", "payment.captured.other"])
async def test_a_listener_hears_the_events_of_its_merchants_only(lab: Lab, key: str):
    await lab.make_users(Participants([*participants(), *LISTENERS]))
    relay, books, warehouse = [await lab.broker_of(name) for name in ("relay", "books", "warehouse")]
    topology = relay.topology
    all_heard = await reading(books, topology.event_queue("books", ("payment.#",)))
    own = topology.event_queue("warehouse", ("payment.*.shop",))
    heard = await reading(warehouse, own)
    await warehouse.declare(replace_bindings(own, Binding(topology.events, key)))
    for audience in ("other", "shop"):
        assert await is_taken(relay, topology.events, topology.event_key("payment.captured", audience))
    assert {(await all_heard.next()).routing_key for _ in range(2)} == {
        "payment.captured.other",
        "payment.captured.shop",
    }
    assert (await heard.next()).routing_key == "payment.captured.shop"
    assert not len(heard)


async def test_a_listener_announces_nothing(lab: Lab):
    await lab.make_users(Participants([*participants(), *LISTENERS]))
    books = await lab.broker_of("books")
    assert not await is_taken(books, books.topology.events, "payment.captured.shop")
    assert not await is_taken(books, books.topology.commands, "checkout")


FOREIGN = Participant("shop", serves=False, listens=True, is_foreign=True)
REFUSED = r"\((403|404)"


@pytest.mark.rabbitmq
async def test_a_foreign_listener_can_send_nothing_to_any_queue_of_ours(rabbitmq: RabbitmqLab):
    """The listener can send neither directly, nor through a queue of its own that dead-letters to ours."""
    await rabbitmq.make_users(Participants([*participants(), FOREIGN]))
    ours = await rabbitmq.broker()
    topology = ours.topology
    await ours.declare(topology.service_queue("risk"))
    url = url_of("shop", rabbitmq.url, prefix=rabbitmq.prefix)
    sends_on = {"x-dead-letter-exchange": topology.replies, "x-max-length": 0}
    own, key = topology.event_queue_name("shop"), topology.service_queue("risk").name
    mistakes: list[Callable[[BlockingChannel], object]] = [
        lambda channel: channel.queue_declare(f"{topology.prefix}.node.shop-1", arguments=sends_on),
        lambda channel: channel.queue_delete(own),
        *(
            partial(BlockingChannel.basic_publish, exchange=exchange, routing_key=key, body=b"{}")
            for exchange in ("", *(each.name for each in topology.exchanges))
        ),
    ]

    def attack() -> None:
        with pika.BlockingConnection(pika.URLParameters(url)) as connection:
            for mistake in mistakes:
                channel = connection.channel()
                channel.confirm_delivery()
                with pytest.raises(ChannelClosedByBroker, match=REFUSED):
                    mistake(channel)
            channel = connection.channel()
            channel.queue_bind(own, topology.events, "payment.*.*")
            channel.basic_get(own)

    await asyncio.to_thread(attack)


async def test_nobody_reads_the_queue_of_another(lab: Lab):
    ledger, risk = await lab.broker_of("ledger"), await lab.broker_of("risk")
    checkout = await lab.broker_of("checkout")
    queue = ledger.topology.service_queue("ledger")
    theirs, stolen = await reading(ledger, queue), Inbox()
    await risk.consume(queue.name, stolen, prefetch=10)
    assert await lab.readers(queue.name) == 1
    for _ in range(4):
        assert await is_taken(checkout, checkout.topology.commands, "ledger")
        await theirs.next()
    assert not len(stolen)


@pytest.mark.parametrize("key", ["ledger", "#", "*"])
async def test_nobody_gets_copies_of_what_is_meant_for_another(lab: Lab, key: str):
    ledger, risk = await lab.broker_of("ledger"), await lab.broker_of("risk")
    checkout = await lab.broker_of("checkout")
    theirs = await reading(ledger, ledger.topology.service_queue("ledger"))
    own = risk.topology.service_queue("risk")
    mine = await reading(risk, own)
    await risk.declare(replace_bindings(own, Binding(risk.topology.commands, key)))
    assert await is_taken(checkout, checkout.topology.commands, "ledger")
    await theirs.next()
    assert await is_taken(checkout, checkout.topology.commands, "risk")
    assert (await mine.next()).routing_key == "risk"


async def test_a_message_carries_the_user_that_sent_it_whatever_it_says(lab: Lab):
    checkout, risk = await lab.broker_of("checkout"), await lab.broker_of("risk")
    replies = await reading(checkout, checkout.topology.reply_queue("saga"))
    forged = command(user_id=f"{lab.prefix}.ledger")
    assert await is_taken(risk, risk.topology.replies, f"{lab.prefix}.replies.saga", forged)
    delivery = await replies.next()
    assert delivery.envelope is not None
    assert delivery.envelope.user_id == f"{lab.prefix}.risk"


async def test_a_process_is_answered_by_the_service_that_it_asked_and_by_no_other(lab: Lab):
    checkout, risk = await lab.broker_of("checkout"), await lab.broker_of("risk")
    await asyncio.to_thread(let_do_anything, "risk", lab.url, prefix=lab.prefix)
    asked = asyncio.get_running_loop().create_future()

    def on_delivery(delivery: Delivery) -> None:
        asked.set_result(delivery.envelope)

    queue = checkout.topology.service_queue("checkout")
    await checkout.declare(queue)
    await checkout.consume(queue.name, on_delivery, prefetch=1, auto_ack=True)
    here = get_broker()
    await within(here.wait_connected())
    waiting = asyncio.ensure_future(rpc.acall("checkout", "checkout.await_payment", {}, timeout_seconds=15))
    question: Envelope = await within(asked)
    answer = Envelope(
        type="reply", body=Reply.success({"state": "x"}).encode(), correlation_id=question.correlation_id
    )
    forged = replace(answer, body=Reply.success({"state": "forged"}).encode())
    assert await is_taken(risk, risk.topology.replies, question.reply_to, forged)
    assert await is_taken(checkout, checkout.topology.replies, question.reply_to, answer)
    assert await within(waiting) == {"state": "x"}
    assert here.metrics()["not_entitled"] == 1


def replace_bindings(queue: Queue, binding: Binding) -> Queue:
    return Queue(queue.name, queue.arguments, (binding,))


async def test_a_program_with_the_wrong_user_does_not_start(lab: Lab):
    require_user("web")
    with pytest.raises(ImproperlyConfigured, match="nobody would listen to ledger"):
        require_user("ledger")
    with pytest.raises(ImproperlyConfigured, match="cannot share a process"):
        require_user("ledger", "risk")
