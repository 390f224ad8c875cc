"""Captures, voids and refunds that only staff can settle, with the effects on books and purchases."""

from collections.abc import Callable

import pytest
from pytest_django import Settings

from checkout.errors import OutcomeUnknown
from checkout.orders.models import Reservation
from checkout.payments.actions import request_refund, request_void, review_payment, settle_books
from checkout.payments.books.figures import TheirBooks
from checkout.payments.checkout_messages import OperationFound
from checkout.payments.models import Operation, Payment, ProviderCall, Saga
from checkout.states import PaymentState
from messaging.concurrency.database import in_thread
from tests.flows.shopping import (
    authorise,
    balances_at_rest,
    captured,
    euros,
    eventually,
    notify_all,
    operation_states,
    pay,
    saga_status,
    state_of,
)
from tests.payments.service.asking import let_settle
from tests.support.memory_provider.books import Books, Manners
from tests.support.settling import fate, settle_payment

DONE = Operation.State.DONE
Losing = Callable[..., None]


@pytest.fixture(autouse=True)
def _little_patience(settings: Settings) -> None:
    settings.CHECKOUT_INQUIRY_DELAYS = [0.05] * 3
    settings.CHECKOUT_RETRY_DELAYS = [0.05]


@pytest.fixture(autouse=True)
def _unkind_provider(books: Books) -> None:
    books.manners_for = lambda code: Manners(deduplicates=False, tells_position=False)


@pytest.fixture
def lose(books: Books) -> Losing:
    """Return a function that loses the next request of a kind, or only its answer, and all inquiries."""

    def arrange(kind: str, *, arrives: bool) -> None:
        if arrives:
            books.scenarios.lose_answer(kind, times=1)
        else:
            books.scenarios.answer(kind, OutcomeUnknown("The connection broke."), times=1)
        books.scenarios.answer("inquire", OutcomeUnknown("No answer in time."))

    return arrange


async def settle(payment: Payment, *, arrived: bool, gives_up: bool = False) -> None:
    """Wait until the latest operation is parked, let the settling time pass, and settle it as staff."""
    latest = payment.operations.order_by("-pk")
    operation = await in_thread(lambda: latest.select_related("attempt")[0])
    await eventually(saga_status(payment, operation.kind), "parked")
    await in_thread(let_settle, operation.attempt)
    found = OperationFound(operation=operation.reference, fate=fate(arrived=arrived, gives_up=gives_up))
    await in_thread(settle_books, found, by="ada", reason="The portal says so")


@pytest.mark.parametrize("arrived", [True, False])
async def test_a_refund_without_an_answer_is_made_once_and_booked_once_staff_have_settled_it(
    back_end: None, manual: Payment, books: Books, lose: Losing, arrived: bool
) -> None:
    await captured(manual, books)
    lose("refund", arrives=arrived)
    await in_thread(request_refund, manual.reference, amount=euros(400), by="ada")
    await settle(manual, arrived=arrived)
    if not arrived:
        await eventually(operation_states(manual), [DONE, "pending"])
        await notify_all(books)
    await eventually(operation_states(manual), [DONE, DONE])
    await eventually(saga_status(manual, "refund"), "completed")
    assert await in_thread(state_of(manual)) == PaymentState.PARTIALLY_REFUNDED
    assert books.orders[f"{manual.reference}-1"].refunded == euros(400)
    assert await balances_at_rest() == {"provider:captured": 850, "merchant:payable": -850}


@pytest.mark.parametrize("arrived", [True, False])
async def test_a_purchase_whose_capture_waits_for_staff_goes_on_when_they_have_settled_it(
    back_end: None, payment: Payment, books: Books, lose: Losing, arrived: bool
) -> None:
    lose("capture", arrives=arrived)
    assert await pay(payment, "approve") == PaymentState.CONFIRMING
    await eventually(saga_status(payment), "parked")
    await settle(payment, arrived=arrived)
    if not arrived:
        await eventually(operation_states(payment), ["pending"])
        await notify_all(books)
    await eventually(state_of(payment), PaymentState.CAPTURED)
    await eventually(saga_status(payment), "completed")
    await eventually(saga_status(payment, "capture"), "completed")
    assert books.orders[f"{payment.reference}-1"].captured == euros(1250)
    assert await in_thread(lambda: Reservation.objects.get().state) == "confirmed"
    assert await balances_at_rest() == {"provider:captured": 1250, "merchant:payable": -1250}


@pytest.mark.parametrize("arrived", [True, False])
async def test_an_order_is_called_off_when_staff_have_settled_the_void_of_its_authorisation(
    back_end: None, manual: Payment, books: Books, lose: Losing, arrived: bool
) -> None:
    await authorise(manual)
    lose("void", arrives=arrived)
    await in_thread(request_void, manual.reference, by="ada")
    await settle(manual, arrived=arrived)
    if not arrived:
        await eventually(operation_states(manual), ["pending"])
        await notify_all(books)
    await eventually(state_of(manual), PaymentState.VOIDED)
    await eventually(saga_status(manual), "compensated")
    assert await in_thread(lambda: Reservation.objects.get().state) == "cancelled"


async def test_a_purchase_whose_capture_is_given_up_after_a_refusal_gives_the_stock_back(
    back_end: None, payment: Payment, books: Books, lose: Losing
) -> None:
    lose("capture", arrives=False)
    assert await pay(payment, "approve") == PaymentState.CONFIRMING
    await eventually(saga_status(payment), "parked")
    books.orders[f"{payment.reference}-1"].captured = euros(1)  # so that a full capture is refused
    await settle(payment, arrived=False)
    await eventually(lambda: ProviderCall.objects.get(verb="capture").outcome, "refused")
    await settle(payment, arrived=False, gives_up=True)
    await eventually(lambda: operation_states(payment)()[0], "refused")
    await eventually(saga_status(payment, "void"), "parked")
    books.orders[f"{payment.reference}-1"].captured = euros(0)
    await settle(payment, arrived=False)
    await eventually(operation_states(payment), ["refused", "pending"])
    await notify_all(books)
    await eventually(state_of(payment), PaymentState.VOIDED)
    await eventually(saga_status(payment), "compensated")
    assert await in_thread(lambda: Reservation.objects.get().state) == "released"
    assert await balances_at_rest() == {}


async def test_a_refund_that_was_sent_again_although_it_had_arrived_is_what_the_page_warns_of(
    back_end: None, manual: Payment, books: Books, lose: Losing
) -> None:
    await captured(manual, books)
    lose("refund", arrives=True)
    await in_thread(request_refund, manual.reference, amount=euros(300), by="ada")
    await settle(manual, arrived=False)
    await eventually(operation_states(manual), [DONE, "pending"])
    assert books.orders[f"{manual.reference}-1"].refunded == euros(600)


async def test_a_refund_behind_our_back_at_a_provider_without_sums_is_booked_by_staff_s_word(
    back_end: None, manual: Payment, books: Books
) -> None:
    await captured(manual, books)
    order = books.orders[f"{manual.reference}-1"]
    order.refunded += euros(300)  # by the merchant's staff in the provider's portal
    books.notify("SHOP", order, euros(300))
    await notify_all(books)
    await eventually(state_of(manual), PaymentState.CONFLICTED)
    await in_thread(review_payment, manual.reference, by="ada", reason="It is to be asked again")
    await eventually(Saga.objects.filter(payment=manual, kind="asking", status="completed").count, 2)
    assert await in_thread(state_of(manual)) == PaymentState.CONFLICTED
    theirs = TheirBooks(captured=euros(1250), refunded=euros(300), charged_back=euros(0), is_held=False)
    await in_thread(settle_payment, manual.reference, theirs, by="ada", reason="The portal says so")
    await eventually(state_of(manual), PaymentState.PARTIALLY_REFUNDED)
    await eventually(saga_status(manual, "refund"), "completed")
    assert await balances_at_rest() == {"provider:captured": 950, "merchant:payable": -950}
