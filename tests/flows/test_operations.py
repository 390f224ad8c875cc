"""Captures, voids and refunds, from the request to the provider's books and ours."""

from collections.abc import Callable, Iterator

import pytest
from pytest_django import Settings

from checkout.errors import OutcomeUnknown
from checkout.orders.models import Reservation
from checkout.payments.actions import (
    create_payment,
    request_capture,
    request_refund,
    request_void,
    review_payment,
)
from checkout.payments.models import Merchant, Operation, Payment
from checkout.states import PaymentState
from messaging import crash_points
from messaging.concurrency.database import in_thread
from tests.flows.shopping import (
    authorise,
    balances_at_rest,
    euros,
    eventually,
    notify_all,
    operation_states,
    pay,
    saga_status,
    state_of,
)
from tests.support.memory_provider.books import Books, OrderState

DONE = Operation.State.DONE


@pytest.fixture(autouse=True)
def _little_patience(settings: Settings) -> None:
    settings.CHECKOUT_INQUIRY_DELAYS = [0.05] * 200
    # Otherwise each denied request would be asked about that often.
    settings.CHECKOUT_ORDER_LAG_SECONDS = settings.CHECKOUT_MODIFICATION_LAG_SECONDS = 0
    settings.CHECKOUT_RETRY_DELAYS = [0.05]


@pytest.fixture
def at_point() -> Iterator[Callable[[str, int, Callable[[], None]], None]]:
    """Yield a function that sets a function to call when a crash point is passed for the n-th time."""

    def arrange(point: str, number: int, act: Callable[[], None]) -> None:
        passes = iter(range(1, 1_000_000))
        crash_points.observe(lambda at: act() if at == point and next(passes) == number else None)

    yield arrange
    crash_points.observe(None)


def lose_the_answer() -> None:
    raise OutcomeUnknown("The connection broke.")


async def test_a_payment_is_captured_and_refunded_in_parts_and_the_books_agree(
    back_end: None, manual: Payment, books: Books
) -> None:
    await authorise(manual)
    await in_thread(request_capture, manual.reference, amount=euros(500), by="ada")
    await in_thread(request_capture, manual.reference, by="ada")
    await eventually(operation_states(manual), ["pending", "pending"])
    await eventually(state_of(manual), PaymentState.CAPTURE_PENDING)
    await notify_all(books)
    await eventually(state_of(manual), PaymentState.CAPTURED)
    await in_thread(request_refund, manual.reference, amount=euros(300), by="ada")
    await eventually(operation_states(manual), [DONE, DONE, "pending"])
    await notify_all(books)
    await eventually(state_of(manual), PaymentState.PARTIALLY_REFUNDED)
    await in_thread(request_refund, manual.reference, by="ada")
    await eventually(operation_states(manual), [DONE, DONE, DONE, "pending"])
    await notify_all(books)
    await eventually(state_of(manual), PaymentState.REFUNDED)
    await eventually(saga_status(manual, "refund"), "completed")
    order = books.orders[f"{manual.reference}-1"]
    assert (order.captured, order.refunded) == (euros(1250), euros(1250))
    assert await balances_at_rest() == {}


async def test_a_capture_of_a_part_is_no_capture_of_the_whole(
    back_end: None, manual: Payment, books: Books
) -> None:
    await authorise(manual)
    await in_thread(request_capture, manual.reference, amount=euros(500), by="ada")
    await eventually(operation_states(manual), ["pending"])
    await notify_all(books)
    await eventually(saga_status(manual, "capture"), "completed")
    assert await in_thread(state_of(manual)) == PaymentState.PARTIALLY_CAPTURED
    assert await balances_at_rest() == {"provider:captured": 500, "merchant:payable": -500}


async def test_a_void_releases_what_was_authorised(back_end: None, manual: Payment, books: Books) -> None:
    await authorise(manual)
    assert await in_thread(lambda: Reservation.objects.get().state) == "confirmed"
    await in_thread(request_void, manual.reference, by="ada", reason="The shop is closed")
    await eventually(state_of(manual), PaymentState.VOID_PENDING)
    await eventually(operation_states(manual), ["pending"])
    await notify_all(books)
    await eventually(state_of(manual), PaymentState.VOIDED)
    await eventually(saga_status(manual), "compensated")
    assert await in_thread(lambda: Reservation.objects.get().state) == "cancelled"
    assert books.orders[f"{manual.reference}-1"].state == OrderState.CANCELLED
    assert await balances_at_rest() == {}


async def test_without_a_notification_the_provider_is_asked(
    back_end: None, manual: Payment, books: Books, settings: Settings
) -> None:
    settings.CHECKOUT_NOTIFICATION_WAIT_SECONDS = 0.05
    await authorise(manual)
    await in_thread(request_capture, manual.reference, by="ada")
    await eventually(state_of(manual), PaymentState.CAPTURED)
    await eventually(saga_status(manual, "capture"), "completed")
    assert await balances_at_rest() == {"provider:captured": 1250, "merchant:payable": -1250}


async def test_a_capture_whose_answer_was_lost_is_found_by_asking_and_made_once(
    back_end: None, manual: Payment, books: Books, at_point: Callable[..., None]
) -> None:
    await authorise(manual)
    at_point("payments.answered", 1, lose_the_answer)
    await in_thread(request_capture, manual.reference, by="ada")
    await eventually(state_of(manual), PaymentState.CAPTURED)
    await eventually(saga_status(manual, "capture"), "completed")
    assert books.orders[f"{manual.reference}-1"].captured == euros(1250)
    assert len(books.notifications()) == 2


async def test_a_refund_that_never_arrived_is_sent_again_once_it_should_have(
    back_end: None, manual: Payment, books: Books, settings: Settings
) -> None:
    settings.CHECKOUT_NOTIFICATION_WAIT_SECONDS = 0.05
    await authorise(manual)
    await in_thread(request_capture, manual.reference, by="ada")
    await eventually(state_of(manual), PaymentState.CAPTURED)
    settings.CHECKOUT_NOTIFICATION_WAIT_SECONDS = 1200
    settings.CHECKOUT_SETTLING_SECONDS = 2
    books.scenarios.answer("refund", OutcomeUnknown("Lost on the way."), times=1)
    await in_thread(request_refund, manual.reference, amount=euros(400), by="ada")
    await eventually(lambda: operation_states(manual)()[-1], "pending")
    assert books.orders[f"{manual.reference}-1"].refunded == euros(400)
    keys = [request.idempotency_key for request in books.scenarios.asked["refund"]]
    assert len(keys) >= 2
    assert len(set(keys)) == 1


async def test_an_automatic_capture_that_is_refused_is_voided_and_the_stock_given_back(
    back_end: None, payment: Payment, books: Books, at_point: Callable[..., None]
) -> None:
    def lose_the_authorisation() -> None:
        books.orders[f"{payment.reference}-1"].state = OrderState.CANCELLED

    at_point("payments.answered", 1, lose_the_authorisation)
    told = await pay(payment, "approve")
    assert told is not None
    assert not told.is_paid
    await eventually(saga_status(payment), "compensated")
    assert await in_thread(state_of(payment)) == PaymentState.VOIDED
    assert await in_thread(lambda: Reservation.objects.get().state) == "released"
    assert await in_thread(operation_states(payment)) == ["refused", "done"]
    assert await balances_at_rest() == {}


async def test_an_automatic_capture_whose_answer_is_lost_still_completes_the_purchase(
    back_end: None, payment: Payment, books: Books, at_point: Callable[..., None]
) -> None:
    at_point("payments.answered", 2, lose_the_answer)
    assert await pay(payment, "approve") == PaymentState.CONFIRMING, "it is not known whether it is paid"
    await eventually(saga_status(payment), "completed")
    await eventually(saga_status(payment, "capture"), "completed")
    assert await in_thread(state_of(payment)) == PaymentState.CAPTURED
    assert books.orders[f"{payment.reference}-1"].captured == euros(1250)
    assert await balances_at_rest() == {"provider:captured": 1250, "merchant:payable": -1250}


async def test_a_second_request_with_the_same_key_moves_no_money(
    back_end: None, manual: Payment, books: Books
) -> None:
    await authorise(manual)
    for _ in range(3):
        await in_thread(request_capture, manual.reference, amount=euros(400), idempotency_key="k1", by="ada")
    await eventually(operation_states(manual), ["pending"])
    assert books.orders[f"{manual.reference}-1"].captured == euros(400)


async def test_a_capture_behind_our_back_is_verified_and_then_for_staff(
    back_end: None, manual: Payment, books: Books
) -> None:
    await authorise(manual)
    order = books.orders[f"{manual.reference}-1"]
    order.captured = order.amount
    books.notify("SHOP", order, order.amount)
    await notify_all(books)
    await eventually(state_of(manual), PaymentState.CONFLICTED)
    assert await balances_at_rest() == {}
    await in_thread(review_payment, manual.reference, by="ada", reason="It was captured in the portal")
    await eventually(state_of(manual), PaymentState.CAPTURED)
    await eventually(saga_status(manual, "capture"), "completed")
    assert await balances_at_rest() == {"provider:captured": 1250, "merchant:payable": -1250}


async def test_an_authorisation_that_was_released_behind_our_back_is_voided_once_staff_had_it_reviewed(
    back_end: None, manual: Payment, books: Books
) -> None:
    await authorise(manual)
    order = books.orders[f"{manual.reference}-1"]
    order.state = OrderState.CANCELLED
    books.notify("SHOP", order, order.amount)
    await notify_all(books)
    await eventually(state_of(manual), PaymentState.CONFLICTED)
    await in_thread(review_payment, manual.reference, by="ada", reason="The issuer called")
    await eventually(state_of(manual), PaymentState.VOIDED)
    await eventually(saga_status(manual), "compensated")
    await eventually(saga_status(manual, "void"), "completed")
    assert await in_thread(lambda: Reservation.objects.get().state) == "cancelled"


async def test_an_order_without_lines_is_confirmed_when_its_refused_money_is_found(
    back_end: None, shop: Merchant, books: Books
) -> None:
    """Payment links, and programs that send no lines, have such orders."""
    payment = await in_thread(order_without_lines, shop)
    assert await pay(payment, "refuse") == PaymentState.REFUSED
    await eventually(saga_status(payment), "compensated")
    order = books.orders[f"{payment.reference}-1"]
    order.state = OrderState.AUTHORISED
    books.notify("SHOP", order, order.amount)
    await notify_all(books)
    await eventually(state_of(payment), PaymentState.CONFLICTED)
    await in_thread(review_payment, payment.reference, by="ada", reason="The issuer called")
    await eventually(state_of(payment), PaymentState.AUTHORISED)
    await eventually(saga_status(payment), "completed")
    assert await in_thread(lambda: Reservation.objects.get().state) == "confirmed"


def order_without_lines(shop: Merchant) -> Payment:
    return create_payment(shop, order_reference="order-4", amount=euros(1250), description="Tea")


async def test_a_forged_notification_moves_nothing(back_end: None, manual: Payment, books: Books) -> None:
    await authorise(manual)
    order = books.orders[f"{manual.reference}-1"]
    order.state = OrderState.CANCELLED
    books.notify("SHOP", order, order.amount)
    order.state = OrderState.AUTHORISED
    await notify_all(books)
    await eventually(saga_status(manual, "asking"), "completed")
    assert await in_thread(state_of(manual)) == PaymentState.AUTHORISED
