"""A compromised service: with the risk service's password it tries to pay, to book and to cancel.

The back end runs with a broker user for each program. The attacker has exactly the rights of that service or,
if an operator was careless, may publish any message.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest

from checkout.errors import OperationRejected
from checkout.ledger.models import LedgerEntry
from checkout.orders.models import Reservation
from checkout.payments.actions import requeue_dead_letter
from checkout.payments.models import DeadLetter, Merchant, OutboxMessage, Payment, Saga, SagaStep
from checkout.running.relay import run_relay
from checkout.running.services import SERVICES, run_services
from checkout.states import PaymentState
from messaging.broker import Broker
from messaging.concurrency.database import in_thread
from messaging.envelope import Envelope, Reply, encode_body
from messaging.errors import PublishUncertain
from messaging.registry import close_brokers, get_broker, make_broker
from messaging.topology import Topology
from tests.flows.shopping import eventually, pay, saga_status, state_of
from tests.support.broker_users import let_do_anything, make_memory_users, make_users, url_of
from tests.support.memory_provider.books import Books
from tests.support.vhosts import fresh_vhost

pytestmark = pytest.mark.timeout(400)
TOPOLOGY = Topology("checkout")
FORGED = ("ledger.post", "orders.cancel", "payments.refund")
POSTING = {"kind": "refunded", "reference": "op_1"}
ROGUE = TOPOLOGY.user("risk")


@dataclass(frozen=True)
class House:
    """A broker with a user for each program. If `is_careless`, the attacker's user has all rights."""

    url: str
    is_careless: bool


@contextmanager
def memory_house(*, is_careless: bool) -> Iterator[House]:
    url = f"memory://{uuid4().hex}"
    make_memory_users(url)
    if is_careless:
        let_do_anything("risk", url)
    yield House(url, is_careless)


@contextmanager
def rabbitmq_house(*, is_careless: bool) -> Iterator[House]:
    with fresh_vhost() as url:
        make_users(url)
        if is_careless:
            let_do_anything("risk", url)
        yield House(url, is_careless)


@pytest.fixture(
    params=[
        (memory_house, False),
        (memory_house, True),
        pytest.param((rabbitmq_house, False), marks=pytest.mark.rabbitmq),
        pytest.param((rabbitmq_house, True), marks=pytest.mark.rabbitmq),
    ],
    ids=["memory", "memory, careless", "rabbitmq", "rabbitmq, careless"],
)
def house(request: pytest.FixtureRequest, shop: Merchant, books: Books, settings: Any) -> Iterator[House]:
    make, is_careless = request.param
    with make(is_careless=is_careless) as house:
        settings.MESSAGING_SINGLE_BROKER_USER = False
        settings.BROKER_URL = url_of("web", house.url)
        yield house


@asynccontextmanager
async def at_work(house: House, *, without: str = "") -> AsyncIterator[Callable[[str], None]]:
    """Run all programs of the back end, each as its own user. Yields a function that starts another one.

    If a shopper pays before the queues exist, there is no reply; the status page shows the result later.
    """
    stop = asyncio.Event()
    get_broker().open()
    async with asyncio.TaskGroup() as group:

        def start(name: str) -> None:
            broker = get_broker(url_of(name, house.url))
            if name == "relay":
                group.create_task(run_relay(broker, stop, with_upkeep=False))
            else:
                group.create_task(run_services([name], broker, stop))

        for name in [*SERVICES, "relay"]:
            if name != without:
                start(name)
        try:
            yield start
        finally:
            stop.set()
    await close_brokers()


@asynccontextmanager
async def user_of(house: House, participant: str = "risk") -> AsyncIterator[Broker]:
    """Yield another connection with this participant's user."""
    rogue = make_broker(url_of(participant, house.url), "checkout")
    rogue.open()
    await rogue.wait_connected()
    yield rogue
    await rogue.close()


async def say(rogue: Broker, exchange: str, key: str, envelope: Envelope) -> bool:
    """Return True if the broker accepts the message."""
    try:
        await rogue.publish(exchange, key, envelope, timeout_seconds=10)
    except PublishUncertain:
        await rogue.wait_connected()
        return False
    return True


async def command(rogue: Broker, type: str, body: dict[str, Any], **fields: Any) -> bool:
    envelope = Envelope(type=type, body=encode_body(body), **fields)
    return await say(rogue, TOPOLOGY.commands, type.partition(".")[0], envelope)


def letters() -> list[tuple[str, str]]:
    return sorted(DeadLetter.objects.values_list("type", "sender_user"))


async def test_a_refused_card_is_not_paid_by_the_answer_of_another_service(
    house: House, payment: Payment, books: Books
) -> None:
    async with at_work(house, without="payments") as start, user_of(house) as rogue:
        paying = asyncio.ensure_future(pay(payment, "refuse"))
        await eventually(lambda: Saga.objects.values_list("step", flat=True).first(), "authorise")
        saga = await in_thread(Saga.objects.get)
        approved = Reply.success({"outcome": "approved", "event": "AUTHORISED"}).encode()
        names = [saga.awaiting, f"{saga.pk}::authorise:{saga.version}", f"{saga.pk}::payments:{0:032x}"]
        for name in names:
            envelope = Envelope(type="reply", body=approved, correlation_id=name)
            assert await say(rogue, TOPOLOGY.replies, "checkout.replies.saga", envelope)
        await eventually(lambda: ("reply", ROGUE) in letters(), True)
        assert await in_thread(saga_status(payment)) == "running"
        start("payments")
        await paying
        await eventually(state_of(payment), PaymentState.REFUSED)
    assert not await in_thread(Reservation.objects.filter(state="confirmed").exists)
    assert books.orders[f"{payment.reference}-1"].captured.minor == 0


async def test_what_it_posts_to_the_ledger_is_not_booked(house: House, payment: Payment) -> None:
    async with at_work(house), user_of(house) as rogue:
        await pay(payment, "approve")
        await eventually(saga_status(payment), "completed")
        body = POSTING | {"payment": payment.reference, "minor": 999_999, "currency": "EUR"}
        assert await command(rogue, "ledger.post", body) is house.is_careless
        if house.is_careless:
            await eventually(letters, [("ledger.post", ROGUE)])
        assert not await in_thread(LedgerEntry.objects.filter(posting="refunded:op_1").exists)


async def test_a_paid_order_is_not_called_off(house: House, payment: Payment) -> None:
    async with at_work(house), user_of(house) as rogue:
        await pay(payment, "approve")
        await eventually(saga_status(payment), "completed")
        body = {"payment": payment.reference}
        assert await command(rogue, "orders.cancel", body) is house.is_careless
        if house.is_careless:
            await eventually(letters, [("orders.cancel", ROGUE)])
        assert await in_thread(lambda: Reservation.objects.get().state) == "confirmed"


async def test_what_staff_alone_may_say_is_not_said_by_a_dead_letter(house: House, payment: Payment) -> None:
    """Every service may write to the dead-letter exchange, and staff may send dead letters again."""
    async with at_work(house), user_of(house) as rogue:
        letter = Envelope(
            type="checkout.settle_books",
            body=b"{}",
            headers={
                "dead-service": "checkout",
                "dead-queue": "checkout.commands.checkout",
                "dead-reason": "5 attempts failed",
                "dead-sender": "checkout.relay",
            },
        )
        assert await say(rogue, TOPOLOGY.dead, "", letter)
        await eventually(letters, [("checkout.settle_books", ROGUE)])
        [kept] = await in_thread(lambda: list(DeadLetter.objects.all()))
        with pytest.raises(OperationRejected):
            await in_thread(requeue_dead_letter, kept.pk, by="ada")
        assert not await in_thread(OutboxMessage.objects.filter(message_id=letter.message_id).exists)


async def test_the_relays_password_says_only_what_was_written_down(house: House, payment: Payment) -> None:
    async with at_work(house), user_of(house, "relay") as relay:
        await pay(payment, "approve")
        await eventually(saga_status(payment), "completed")
        assert await command(relay, "orders.cancel", {"payment": payment.reference})
        await eventually(letters, [("orders.cancel", "checkout.relay")])
        assert await in_thread(lambda: Reservation.objects.get().state) == "confirmed"
        assert await in_thread(state_of(payment)) == PaymentState.CAPTURE_PENDING


async def test_the_relays_password_gives_the_checkout_service_no_commands(
    house: House, payment: Payment
) -> None:
    async with at_work(house), user_of(house, "relay") as relay:
        await pay(payment, "approve")
        await eventually(saga_status(payment), "completed")
        assert await command(relay, "checkout.announce_payment", {"payment": payment.reference})
        await eventually(letters, [("checkout.announce_payment", "checkout.relay")])
        reason = await in_thread(lambda: DeadLetter.objects.get().reason)
    assert reason == "not entitled: checkout.relay says what is not in the outbox"


async def test_another_service_gives_no_command_that_only_staff_give(house: House, payment: Payment) -> None:
    async with at_work(house), user_of(house) as rogue:
        await pay(payment, "approve")
        await eventually(saga_status(payment), "completed")
        body = {"payment": payment.reference}
        assert await command(rogue, "checkout.announce_payment", body) is house.is_careless
        if house.is_careless:
            await eventually(letters, [("checkout.announce_payment", ROGUE)])


async def test_a_late_copy_of_what_was_handled_is_harmless_after_an_erasure(
    house: House, payment: Payment
) -> None:
    """The dead letter of another message shows that the copy, which came before it, was dealt with."""
    async with at_work(house), user_of(house, "relay") as relay:
        await pay(payment, "approve")
        await eventually(saga_status(payment), "completed")
        row = await in_thread(OutboxMessage.objects.get, type="checkout.submit_payment")
        await in_thread(OutboxMessage.objects.filter(pk=row.pk).delete)
        assert await say(relay, TOPOLOGY.commands, "checkout", row.envelope())
        assert await command(relay, "checkout.submit_payment", {"attempt": "a", "payment": "p"})
        await eventually(DeadLetter.objects.count, 1)
    assert not await in_thread(DeadLetter.objects.filter(message_id=row.message_id).exists)


async def test_the_orchestrators_password_alone_moves_nothing(house: House, payment: Payment) -> None:
    """The orchestrator's commands are carried out only if a saga has requested them and still waits."""
    async with at_work(house, without="risk") as start, user_of(house, "checkout") as rogue:
        paying = asyncio.ensure_future(pay(payment, "approve"))
        await eventually(lambda: Saga.objects.values_list("step", flat=True).first(), "assess_risk")
        open_name = await in_thread(lambda: Saga.objects.get().awaiting)
        body = {"payment": payment.reference, "minor": 999_999, "currency": "EUR"}
        about = {"attempt": f"{payment.reference}-1", "operation": "op_1"}
        for name in ("", open_name):
            await command(rogue, "ledger.post", POSTING | body, correlation_id=name)
            await command(rogue, "orders.cancel", {"payment": payment.reference}, correlation_id=name)
            await command(rogue, "payments.refund", about | body, correlation_id=name)
        stolen = [(type, f"{TOPOLOGY.prefix}.checkout") for type in FORGED for _ in range(2)]
        await eventually(letters, stolen)
        start("risk")
        await paying
        await eventually(state_of(payment), PaymentState.CAPTURE_PENDING)
        await eventually(saga_status(payment), "completed")
        asked = await in_thread(lambda: SagaStep.objects.filter(command="orders.confirm").get())
        cancels = {"payment": payment.reference}
        await command(rogue, "orders.cancel", cancels, correlation_id=asked.correlation_id)
        stolen = sorted([*stolen, ("orders.cancel", f"{TOPOLOGY.prefix}.checkout")])
        await eventually(letters, stolen)
        assert not await in_thread(LedgerEntry.objects.filter(posting="refunded:op_1").exists)
        assert await in_thread(lambda: Reservation.objects.get().state) == "confirmed"
    assert await in_thread(letters) == stolen
