"""The events of whole flows, which are complete, in order and without a gap."""

from collections.abc import Callable

import msgspec
import pytest
from pytest_django import Settings

from checkout.payments.actions import cancel_payment, request_capture, request_refund, request_void
from checkout.payments.events.log import unpublished_events
from checkout.payments.models import Event, Payment
from checkout.payments.objects import PaymentEventData
from checkout.payments.objects.payment import STATUSES
from checkout.states import PaymentState
from checkout.web import held_tier
from messaging.concurrency.database import in_thread
from tests.flows.shopping import (
    PATIENCE_SECONDS,
    authorise,
    euros,
    eventually,
    notify_all,
    operation_states,
    pay,
    returned,
    saga_status,
    state_of,
)
from tests.flows.test_charge_backs import told
from tests.support.memory_provider.books import Books

STARTED = ["payment.created", "payment.processing"]


@pytest.fixture(autouse=True)
def _little_patience(settings: Settings) -> None:
    settings.CHECKOUT_INQUIRY_DELAYS = [0.05] * 200
    settings.CHECKOUT_ORDER_LAG_SECONDS = 0
    settings.CHECKOUT_RETRY_DELAYS = [0.05]


def types_of(payment: Payment) -> list[str]:
    """Return the types of a payment's events, after checking that their moves agree with ``version``."""
    events = list(Event.objects.filter(payment=payment).order_by("sequence"))
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    now = Payment.objects.get(pk=payment.pk)
    moves = [event.data["object"] for event in events if event.type.startswith("payment.")]
    assert [each["version"] for each in moves] == list(range(now.version + 1))
    assert moves[-1]["state"] == STATUSES[now.state]
    return [event.type for event in events]


async def test_an_ordinary_purchase_tells_four_events_and_notes_four_facts(
    back_end: None, payment: Payment, books: Books
) -> None:
    await pay(payment, "approve")
    await eventually(saga_status(payment), "completed")
    await notify_all(books)
    await eventually(state_of(payment), PaymentState.CAPTURED)
    expected = [*STARTED, "payment.capture_pending", "payment.captured"]
    assert await in_thread(types_of, payment) == expected
    facts = await in_thread(lambda: sorted(payment.facts.values_list("kind", flat=True)))
    assert facts == ["authorise_approved", "capture_pending", "notified_authorised", "notified_captured"]
    await eventually(unpublished_events, [])


async def test_the_events_of_a_purchase_tell_how_its_attempt_and_its_capture_went(
    back_end: None, payment: Payment, books: Books
) -> None:
    await pay(payment, "approve")
    await eventually(saga_status(payment), "completed")
    await notify_all(books)
    await eventually(state_of(payment), PaymentState.CAPTURED)
    events = await in_thread(lambda: list(Event.objects.filter(payment=payment).order_by("sequence")))
    attempts = [event.data["latest_attempt"] for event in events]
    assert [each and each["state"] for each in attempts] == [None, "processing", "succeeded", "succeeded"]
    assert {each["id"] for each in attempts if each} == {f"{payment.reference}-1"}
    operations = [[(each["object"], each["state"]) for each in event.data["operations"]] for event in events]
    assert operations == [[], [], [("capture", "pending")], [("capture", "succeeded")]]
    for event in events:
        msgspec.convert(event.data, PaymentEventData)


async def test_a_declined_attempt_is_told_with_its_reason(
    back_end: None, payment: Payment, books: Books
) -> None:
    await pay(payment, "refuse:insufficient_funds")
    await eventually(saga_status(payment), "compensated")
    event = await in_thread(lambda: Event.objects.filter(payment=payment).latest("sequence"))
    attempt = event.data["latest_attempt"]
    assert (event.type, attempt["state"]) == ("payment.declined", "failed")
    assert attempt["last_error"]["code"] == "insufficient_funds"


async def test_a_failed_attempt_is_no_failed_payment(back_end: None, payment: Payment, books: Books) -> None:
    assert await pay(payment, "refuse:insufficient_funds") == PaymentState.REFUSED
    await eventually(saga_status(payment), "compensated")
    assert await pay(payment, "approve", attempt_number=2) == PaymentState.CAPTURE_PENDING
    await eventually(saga_status(payment), "completed")
    assert await in_thread(types_of, payment) == [
        *STARTED,
        "payment.declined",
        "payment.processing",
        "payment.capture_pending",
    ]


async def test_a_challenge_asks_for_an_action(back_end: None, payment: Payment, books: Books) -> None:
    await pay(payment, "challenge")
    await held_tier.answer(await returned(payment), budget_seconds=PATIENCE_SECONDS)
    await eventually(saga_status(payment), "completed")
    assert await in_thread(types_of, payment) == [
        *STARTED,
        "payment.action_required",
        "payment.processing",
        "payment.capture_pending",
    ]


async def test_an_unknown_outcome_is_told_as_such(back_end: None, payment: Payment, books: Books) -> None:
    await pay(payment, "unknown")
    await eventually(saga_status(payment), "completed")
    told_types = await in_thread(types_of, payment)
    assert told_types == [*STARTED, "payment.unknown", "payment.capture_pending"]


async def test_a_void_a_cancellation_and_movements_of_money_have_events_of_their_own(
    back_end: None, manual: Payment, payment: Payment, books: Books
) -> None:
    await in_thread(cancel_payment, payment.reference, by="ada", merchant=payment.merchant)
    assert await in_thread(types_of, payment) == ["payment.created", "payment.cancelled"]
    await authorise(manual)
    await in_thread(request_void, manual.reference, by="ada")
    await eventually(state_of(manual), PaymentState.VOID_PENDING)
    await notify_all(books)
    await eventually(state_of(manual), PaymentState.VOIDED)
    assert await in_thread(types_of, manual) == [
        *STARTED,
        "payment.authorised",
        "void.requested",
        "void.pending",
        "payment.void_pending",
        "void.succeeded",
        "payment.voided",
    ]


async def test_parts_refunds_and_disputes_are_told(back_end: None, manual: Payment, books: Books) -> None:
    await authorise(manual)
    await in_thread(request_capture, manual.reference, amount=euros(500), by="ada", final_capture=True)
    await eventually(state_of(manual), PaymentState.CAPTURE_PENDING)
    await notify_all(books)
    await eventually(state_of(manual), PaymentState.PARTIALLY_CAPTURED)
    await in_thread(request_refund, manual.reference, amount=euros(200), by="ada")
    await eventually(operation_states(manual), ["done", "pending"])
    await notify_all(books)
    await eventually(state_of(manual), PaymentState.PARTIALLY_REFUNDED)
    await eventually(saga_status(manual, "refund"), "completed")
    books.orders[f"{manual.reference}-1"].charged_back = euros(300)
    await told(manual, "CHARGED_BACK", 300, "n-1")
    await eventually(state_of(manual), PaymentState.CHARGED_BACK)
    assert (await in_thread(types_of, manual))[2:] == [
        "payment.authorised",
        "capture.requested",
        "capture.pending",
        "payment.capture_pending",
        "capture.succeeded",
        "payment.partially_captured",
        "refund.requested",
        "refund.pending",
        "refund.succeeded",
        "payment.partially_refunded",
        "dispute.opened",
        "payment.disputed",
    ]
    last = await in_thread(lambda: Event.objects.filter(payment=manual).latest("sequence"))
    assert last.data["object"]["amounts"] == {
        "authorised": 1250,
        "capturable": 0,
        "captured": 500,
        "refunded": 200,
        "refundable": 0,
        "disputed": 300,
        "dispute_claimed": 0,
    }


async def test_a_capture_after_a_refund_of_all_is_no_refund_that_came_back(
    back_end: None, manual: Payment, books: Books
) -> None:
    await authorise(manual)
    await in_thread(request_capture, manual.reference, amount=euros(500), by="ada")
    await eventually(operation_states(manual), ["pending"])
    await notify_all(books)
    await eventually(state_of(manual), PaymentState.PARTIALLY_CAPTURED)
    await in_thread(request_refund, manual.reference, by="ada")
    await eventually(operation_states(manual), ["done", "pending"])
    await notify_all(books)
    await eventually(state_of(manual), PaymentState.REFUNDED)
    await in_thread(request_capture, manual.reference, by="ada")
    await eventually(operation_states(manual), ["done", "done", "pending"])
    await notify_all(books)
    await eventually(state_of(manual), PaymentState.PARTIALLY_REFUNDED)
    assert (await in_thread(types_of, manual))[-2:] == ["capture.succeeded", "payment.partially_refunded"]


async def test_each_part_that_moves_money_is_told_with_the_amounts_of_the_payment(
    back_end: None, manual: Payment, books: Books
) -> None:
    """A merchant who captures in parts ships by the amounts, because the state stays the same."""
    await authorise(manual)
    for count in (1, 2):
        await in_thread(request_capture, manual.reference, amount=euros(300), by="ada")
        await eventually(operation_states(manual), [*["done"] * (count - 1), "pending"])
        await notify_all(books)
        await eventually(operation_states(manual), ["done"] * count)
        await eventually(amount_told(manual, "captured"), 300 * count)
    for count in (1, 2):
        await in_thread(request_refund, manual.reference, amount=euros(100), by="ada")
        await eventually(operation_states(manual), [*["done"] * (1 + count), "pending"])
        await notify_all(books)
        await eventually(amount_told(manual, "refunded"), 100 * count)
    for count in (1, 2):
        books.orders[f"{manual.reference}-1"].charged_back = euros(50 * count)
        await told(manual, "CHARGED_BACK", 50, f"n-{count}")
        await eventually(amount_told(manual, "disputed"), 50 * count)
    await in_thread(types_of, manual)


def amount_told(payment: Payment, name: str) -> Callable[[], int]:
    """Return a function that reads one of the amounts in the latest event of the payment itself."""
    events = Event.objects.filter(payment=payment, type__startswith="payment.")

    def read() -> int:
        amounts: dict[str, int] = events.order_by("-sequence")[0].data["object"]["amounts"]
        return amounts[name]

    return read
