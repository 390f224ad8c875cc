"""A service that listens to events handles each of them, whoever adds fields, and answers nobody."""

from dataclasses import replace

import msgspec
import pytest

from checkout.payments.models import InboxMessage
from messaging.concurrency.database import in_thread
from messaging.envelope import Envelope, new_message_id
from messaging.errors import Undeliverable
from messaging.worker.service import Message, Service
from tests.messaging.conftest import at_work
from tests.support.brokers import Inbox, Lab, a_moment
from tests.support.services import Client, until

pytestmark = pytest.mark.django_db(transaction=True)


class Told(msgspec.Struct, frozen=True):
    order: str


def listener(*events: str, name: str = "listener", transactional: bool = True) -> tuple[Service, list[str]]:
    service = Service(name, events=events)
    heard: list[str] = []

    @service.on_event(transactional=transactional)
    def note(told: Told, message: Message) -> None:
        heard.append(f"{message.envelope.type} {told.order}")

    return service, heard


async def publish(client: Client, type: str, body: bytes, message_id: str = "") -> None:
    envelope = Envelope(type=type, body=body, message_id=message_id or new_message_id())
    await client.broker.publish(client.broker.topology.events, type, envelope, timeout_seconds=10)


async def client_and_queue(lab: Lab, service: Service) -> Client:
    broker = await lab.broker()
    await broker.declare(*service.queues(broker.topology))
    return await Client(broker).start()


async def test_events_of_its_patterns_are_handled_once_each(lab: Lab):
    service, heard = listener("payment.#", "refund.#")
    client = await client_and_queue(lab, service)
    async with at_work(await lab.broker(), service, concurrency=1):
        await publish(client, "payment.captured", b'{"order": "1", "new": {"field": true}}', "one")
        with pytest.raises(Undeliverable):
            await publish(client, "stock.low", b'{"order": "2"}')
        await publish(client, "payment.captured", b'{"order": "1"}', "one")
        await publish(client, "refund.succeeded.shop", b'{"order": "3"}')
        await until(lambda: len(heard) == 2)
        await a_moment(client.broker)
    assert heard == ["payment.captured 1", "refund.succeeded.shop 3"]
    assert await in_thread(InboxMessage.objects.count) == 2
    assert len(client.replies) == 0


async def test_each_of_several_listeners_hears_an_event(lab: Lab):
    (one, heard), (other, heard_too) = listener("#"), listener("#", name="other")
    client = await client_and_queue(lab, one)
    await client_and_queue(lab, other)
    async with at_work(await lab.broker(), one), at_work(await lab.broker(), other):
        await publish(client, "payment.captured", b'{"order": "1"}')
        await until(lambda: len(heard) == len(heard_too) == 1)
    assert heard == heard_too == ["payment.captured 1"]


async def test_a_handler_outside_a_transaction_needs_no_row(lab: Lab):
    service, heard = listener("#", transactional=False)
    client = await client_and_queue(lab, service)
    async with at_work(await lab.broker(), service):
        await publish(client, "payment.captured", b'{"order": "1"}')
        await until(lambda: heard)
    assert not await in_thread(InboxMessage.objects.exists)


async def test_an_event_that_is_ignored_is_acknowledged_and_reaches_no_handler(lab: Lab):
    service, heard = listener("#")
    client = await client_and_queue(lab, service)
    async with at_work(await lab.broker(), service, ignores=lambda told: told.order == "1"):
        for number in (1, 2):
            await publish(client, "payment.captured", b'{"order": "%d"}' % number)
        await until(lambda: heard)
    assert heard == ["payment.captured 2"]
    async with at_work(await lab.broker(), service):
        await publish(client, "payment.captured", b'{"order": "3"}')
        await until(lambda: len(heard) == 2)
    assert heard == ["payment.captured 2", "payment.captured 3"]


async def test_an_event_that_cannot_be_read_becomes_a_dead_letter(lab: Lab):
    service, heard = listener("#")
    client = await client_and_queue(lab, service)
    await client.broker.declare(client.broker.topology.dead_queue)
    async with at_work(await lab.broker(), service):
        await publish(client, "payment.captured", b'{"order": 1}')
        letter = (await client.dead.next()).envelope
    assert letter is not None
    assert letter.type == "payment.captured"
    assert heard == []


async def test_a_service_that_only_listens_has_no_queue_for_commands(lab: Lab):
    service, _ = listener("#")
    topology = (await lab.broker()).topology
    assert [queue.name for queue in service.queues(topology)] == [f"{topology.events}.listener"]


def test_a_service_without_events_takes_no_handler_of_events():
    with pytest.raises(ValueError, match="no queue for events"):
        Service("deaf").on_event()


async def test_a_full_queue_of_hints_refuses_no_event_and_keeps_the_newest(lab: Lab):
    service = Service("hinted", events=("payment.#",), hints_only=True)
    broker = await lab.broker()
    (whole,) = service.queues(broker.topology)
    await broker.declare(replace(whole, arguments={**whole.arguments, "x-max-length": 2}))
    client = await Client(broker).start()
    for number in range(4):
        await publish(client, "payment.captured", b'{"order": "%d"}' % number)
    heard = Inbox()
    consumption = await broker.consume(whole.name, heard, prefetch=10, auto_ack=True)
    assert [(await heard.next()).envelope.body for _ in range(2)] == [b'{"order": "2"}', b'{"order": "3"}']
    await a_moment(broker)
    assert len(heard) == 0
    await consumption.release()
