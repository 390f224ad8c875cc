"""Rows of the outbox that the broker rejects: they are tried alone, and given up after several tries."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from checkout.payments.actions import requeue_dead_letter
from checkout.payments.dead_letters import keep
from checkout.payments.models import DeadLetter, OutboxMessage
from messaging.broker import Broker
from messaging.concurrency.database import in_thread
from messaging.delivery import Delivery
from messaging.envelope import Envelope
from messaging.errors import MessagingError
from messaging.outbox import relay as relay_module
from messaging.outbox.relay import (
    LEASE_SECONDS,
    MOST_REFUSALS,
    MOST_REJECTIONS,
    SUSPECT_SECONDS,
    SUSPECTS_SECONDS,
    Relay,
)
from messaging.outbox.rows import OutboxRows
from messaging.rabbitmq.channel import CLOSE_TIMEOUT_SECONDS
from messaging.storable import MAX_HEADERS_CHARACTERS
from tests.support.broker_users import let_do_anything, url_of
from tests.support.brokers import MemoryLab

pytestmark = pytest.mark.django_db(transaction=True)

ALLOWED, FORBIDDEN = "payment.captured", "stock.sold_out"  # for the user of the relay


@pytest.fixture
async def broker(lab: MemoryLab, settings) -> Broker:
    await lab.make_users()
    settings.BROKER_URL = url_of("relay", lab.url, prefix=lab.prefix)
    return await lab.broker_of("relay")


@pytest.fixture
def relay(broker: Broker) -> Relay:
    return Relay(broker, OutboxRows(OutboxMessage, keep))


async def owed(broker: Broker, key: str, exchange: str = "", **changes: Any) -> OutboxMessage:
    envelope = Envelope(type="e", body=b"{}", **changes)
    row = OutboxMessage.of(exchange or broker.topology.events, key, envelope, delay_seconds=0)
    await in_thread(row.save)
    return row


async def tried(relay: Relay, *rows: OutboxMessage) -> None:
    """Do a round with these rows, and read them again."""
    which = OutboxMessage.objects.filter(pk__in=[row.pk for row in rows])
    await in_thread(which.update, available_at=timezone.now() - timedelta(seconds=1))
    await relay.publish_due()
    for row in rows:
        await in_thread(row.refresh_from_db)


async def test_a_message_that_is_rejected_again_and_again_becomes_a_dead_letter(broker: Broker, relay: Relay):
    row = await owed(broker, FORBIDDEN)
    await tried(relay, row)
    assert (row.is_suspect, row.rejections) == (True, 0), "it may have been another one"
    for number in range(1, MOST_REJECTIONS + 1):
        assert row.given_up_at is None
        await tried(relay, row, await owed(broker, ALLOWED))
        assert row.rejections == number
    assert row.given_up_at is not None
    assert row.given_up_at == row.published_at, "nothing waits for it any more"
    letter = await in_thread(DeadLetter.objects.get)
    assert (letter.message_id, letter.sender_user) == (row.message_id, f"{broker.topology.prefix}.relay")
    assert letter.reason.startswith("it cannot be published: publish_rejected")


async def test_staff_can_have_it_published_when_its_cause_is_mended(
    broker: Broker, relay: Relay, lab: MemoryLab
):
    row = await owed(broker, FORBIDDEN)
    await in_thread(OutboxMessage.objects.update, is_suspect=True, rejections=MOST_REJECTIONS - 1)
    await tried(relay, row, await owed(broker, ALLOWED))
    await in_thread(requeue_dead_letter, (await in_thread(DeadLetter.objects.get)).pk, by="Ada")
    await in_thread(row.refresh_from_db)
    assert (row.published_at, row.given_up_at, row.rejections) == (None, None, 0)
    await tried(relay, row, await owed(broker, ALLOWED))
    assert row.rejections == 1, "it is tried as often as before"
    let_do_anything("relay", lab.url, prefix=lab.prefix)
    await tried(relay, row)
    assert row.published_at is not None
    assert row.given_up_at is None


async def test_a_message_that_is_given_up_twice_is_one_dead_letter(broker: Broker, relay: Relay):
    row = await owed(broker, FORBIDDEN)
    for copies in (1, 2):
        which = OutboxMessage.objects.filter(pk=row.pk)
        await in_thread(which.update, is_suspect=True, rejections=MOST_REJECTIONS - 1)
        await tried(relay, row, await owed(broker, ALLOWED))
        letter = await in_thread(DeadLetter.objects.get)
        assert (letter.copies, letter.requeued_at) == (copies, None)
        await in_thread(requeue_dead_letter, letter.pk, by="Ada")


async def test_nothing_is_given_up_while_the_broker_accepts_nothing_at_all(broker: Broker, relay: Relay):
    rows = [await owed(broker, FORBIDDEN) for _ in range(3)]
    for _ in range(MOST_REJECTIONS + 2):
        await tried(relay, *rows)
    assert [row.rejections for row in rows] == [0, 0, 0]
    assert not await in_thread(DeadLetter.objects.exists)


async def test_nothing_is_given_up_because_another_exchange_accepts_messages(broker: Broker, relay: Relay):
    row = await owed(broker, FORBIDDEN)
    for _ in range(MOST_REJECTIONS + 2):
        await tried(relay, row, await owed(broker, broker.reply_queue.name, broker.topology.replies))
    assert row.rejections == 0


async def test_a_message_is_given_up_if_another_relay_of_the_process_has_others_accepted(broker: Broker):
    """Events come from a log of their own, and one that failed is repeated from the outbox."""
    accepted_at: dict[str, float] = {}
    first, second = (
        Relay(broker, OutboxRows(OutboxMessage, keep), accepted_at=accepted_at) for _ in range(2)
    )
    row = await owed(broker, FORBIDDEN)
    await tried(first, row)
    await tried(second, await owed(broker, ALLOWED))
    await tried(first, row)
    assert row.rejections == 1


async def test_what_was_under_way_beside_a_rejected_message_is_published_in_the_next_round(
    broker: Broker, relay: Relay
):
    rejected, beside = await owed(broker, FORBIDDEN), await owed(broker, ALLOWED)
    await tried(relay, rejected, beside)
    assert beside.is_suspect
    await tried(relay, rejected, beside)
    assert beside.published_at is not None
    assert (beside.rejections, rejected.published_at) == (0, None)


async def test_a_suspect_takes_no_other_message_down_with_it(broker: Broker, relay: Relay):
    """Other relays of the process publish at the same time."""
    suspect = await owed(broker, FORBIDDEN)
    await tried(relay, suspect)
    outcomes: list[MessagingError | None] = []
    round = asyncio.ensure_future(tried(relay, suspect))
    while not round.done():
        beside = Envelope(type="e", body=b"{}")
        broker.publish_nowait(broker.topology.replies, broker.reply_queue.name, beside, outcomes.append)
        await asyncio.sleep(0)
    await round
    assert suspect.last_error.startswith("publish_rejected")
    assert {type(outcome) for outcome in outcomes} == {type(None)}


async def test_other_messages_are_recorded_as_published_before_suspects_are_tried(
    broker: Broker, relay: Relay
):
    suspect = await owed(broker, broker.reply_queue.name, broker.topology.replies)
    await in_thread(OutboxMessage.objects.update, is_suspect=True)
    other = await owed(broker, ALLOWED)
    arrived: list[Any] = []

    def on_delivery(delivery: Delivery) -> None:
        arrived.append(timezone.now())

    broker.reply_queue.deliver = on_delivery  # type: ignore[method-assign]
    await tried(relay, suspect, other)
    assert other.published_at is not None
    assert other.published_at < arrived[0]


async def test_a_round_tries_suspects_for_less_than_a_third_of_its_lease(
    broker: Broker, relay: Relay, monkeypatch: pytest.MonkeyPatch
):
    assert SUSPECTS_SECONDS + SUSPECT_SECONDS + CLOSE_TIMEOUT_SECONDS < LEASE_SECONDS / 3
    rows = [await owed(broker, ALLOWED) for _ in range(2)]
    await in_thread(OutboxMessage.objects.update, is_suspect=True)
    with monkeypatch.context() as nothing_left:
        nothing_left.setattr(relay_module, "SUSPECTS_SECONDS", 0)
        await tried(relay, *rows)
    assert [(row.attempts, row.published_at) for row in rows] == [(0, None), (0, None)]
    assert await relay.publish_due() == 0, "they keep their lease"
    await tried(relay, *rows)
    assert all(row.published_at for row in rows)


async def test_a_message_that_amqp_cannot_carry_is_given_up_as_well(broker: Broker, relay: Relay):
    row = await owed(broker, ALLOWED, headers={"baggage": "x" * 5 * MAX_HEADERS_CHARACTERS})
    for _ in range(MOST_REJECTIONS):
        await tried(relay, row, await owed(broker, ALLOWED))
    assert (row.is_suspect, row.given_up_at is None) == (False, False)
    assert "AMQP cannot carry it" in (await in_thread(DeadLetter.objects.get)).reason


async def test_a_message_stays_owed_until_its_dead_letter_is_kept(broker: Broker):
    away = True

    def keep_if_possible(letter: Envelope) -> None:
        if away:
            raise OSError("no room")
        keep(letter)

    relay = Relay(broker, OutboxRows(OutboxMessage, keep_if_possible))
    row = await owed(broker, FORBIDDEN)
    await in_thread(OutboxMessage.objects.update, is_suspect=True, rejections=MOST_REJECTIONS - 1)
    await tried(relay, row, await owed(broker, ALLOWED))
    assert row.published_at is None
    away = False
    await tried(relay, row)
    assert row.given_up_at is not None
    assert await in_thread(DeadLetter.objects.count) == 1


async def test_a_reply_that_the_broker_rejects_is_done_with(broker: Broker, relay: Relay):
    """The reply's address was forged, or its process has ended."""
    name = broker.topology.instance_queue_name("ad27c29bbd37" * 3)
    row = await owed(broker, name, broker.topology.replies)
    for _ in range(MOST_REFUSALS + 1):
        assert row.published_at is None
        await tried(relay, row)
    assert (row.published_at is None, row.given_up_at) == (False, None)
