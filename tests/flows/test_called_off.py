"""Payments that are cancelled while their shopper is at the bank's check."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from checkout.errors import IllegalTransition, TokenRejected
from checkout.orders.models import Reservation
from checkout.payments.actions import (
    Pending,
    cancel_payment,
    challenge_page,
    give_up,
    payment_view,
    return_from_challenge,
)
from checkout.payments.challenge_token import token_for
from checkout.payments.checkout_messages import CallOff
from checkout.payments.models import Attempt, Fact, Payment, ProviderCall, Saga
from checkout.payments.providers.base import Verb
from checkout.states import PaymentState
from checkout.web import held_tier
from messaging.concurrency.database import in_thread
from tests.flows.shopping import PATIENCE_SECONDS, eventually, notify_all, pay, saga_status, state_of, submit
from tests.support.memory_provider.books import Books, OrderState

CANCELLED = PaymentState.CANCELLED


def by_staff(payment: Payment) -> None:
    cancel_payment(payment.reference, by="ada")


def by_merchant(payment: Payment) -> None:
    cancel_payment(payment.reference, by="key", merchant=payment.merchant)


def by_shopper(payment: Payment) -> None:
    give_up(payment.reference)


@pytest.mark.parametrize(
    ("cancel", "by"), [(by_staff, "staff"), (by_merchant, "merchant"), (by_shopper, "shopper")]
)
async def test_the_provider_is_asked_to_cancel_and_the_stock_is_given_back(
    back_end: None, payment: Payment, books: Books, cancel: Callable[[Payment], None], by: str
) -> None:
    assert await pay(payment, "challenge") == PaymentState.CHALLENGE_REQUIRED
    await in_thread(cancel, payment)
    await eventually(state_of(payment), CANCELLED)
    await eventually(saga_status(payment), "compensated")
    assert await in_thread(ProviderCall.objects.filter(verb=Verb.VOID).count) == 1
    assert books.orders[f"{payment.reference}-1"].captured.minor == 0
    assert await in_thread(lambda: Reservation.objects.get().state) == "released"
    assert await in_thread(lambda: Fact.objects.get(kind="challenge_called_off").source) == by


async def test_a_shopper_who_gives_up_waits_for_the_end_of_it(back_end: None, payment: Payment) -> None:
    await pay(payment, "challenge")
    pending = await in_thread(give_up, payment.reference)
    assert await held_tier.answer(pending, budget_seconds=PATIENCE_SECONDS) == CANCELLED


async def test_who_comes_back_after_that_is_told_the_end_and_pays_nothing(
    back_end: None, payment: Payment, books: Books
) -> None:
    await pay(payment, "challenge")
    await in_thread(by_merchant, payment)

    def come_back():
        token = token_for(Attempt.objects.select_related("payment").get())
        return return_from_challenge(payment.reference, token, transaction_id="", merchant_data="")

    pending = await in_thread(come_back)
    assert await held_tier.answer(pending, budget_seconds=PATIENCE_SECONDS) == CANCELLED
    assert books.orders[f"{payment.reference}-1"].captured.minor == 0
    with pytest.raises((TokenRejected, IllegalTransition)):
        await in_thread(challenge_page, payment.reference)


async def test_money_that_the_provider_holds_by_then_is_released(
    back_end: None, payment: Payment, books: Books
) -> None:
    """The bank may have approved, although the shopper did not return to us."""
    await pay(payment, "challenge")
    order = books.orders[f"{payment.reference}-1"]
    order.state = OrderState.AUTHORISED
    pending = await in_thread(give_up, payment.reference)
    await held_tier.answer(pending, budget_seconds=PATIENCE_SECONDS)
    await notify_all(books)
    await eventually(state_of(payment), CANCELLED)
    await eventually(saga_status(payment), "compensated")
    assert (order.state, order.captured.minor) == (OrderState.CANCELLED, 0)
    assert await in_thread(lambda: Reservation.objects.get().state) == "released"


async def test_cancelling_twice_is_cancelling_once(back_end: None, payment: Payment) -> None:
    await pay(payment, "challenge")
    for cancel in (by_merchant, by_shopper, by_staff):
        await in_thread(cancel, payment)
    await eventually(state_of(payment), CANCELLED)
    assert await in_thread(Fact.objects.filter(kind="challenge_called_off").count) == 1


async def test_a_purchase_whose_money_is_being_taken_is_not_cancelled_any_more(
    back_end: None, payment: Payment
) -> None:
    await pay(payment, "approve")
    with pytest.raises(IllegalTransition):
        await in_thread(by_merchant, payment)
    pending = await in_thread(partial(give_up, payment.reference))
    assert await held_tier.answer(pending, budget_seconds=PATIENCE_SECONDS) == PaymentState.CAPTURE_PENDING
    assert (await in_thread(payment_view, payment.reference)).state.is_paid


def is_noted(payment: Payment) -> Callable[[], bool]:
    return lambda: bool(Saga.objects.get(payment=payment).data["is_called_off"])


@pytest.mark.parametrize("cancel", [by_staff, by_merchant, by_shopper])
async def test_an_approval_that_comes_after_the_cancellation_is_released(
    back_end: None, payment: Payment, books: Books, settings: Any, cancel: Callable[[Payment], None]
) -> None:
    """The bank's answer decides: the payment is not called cancelled while its outcome is unknown."""
    settings.CHECKOUT_INQUIRY_DELAYS = [0.2] * 200
    assert await pay(payment, "pending") == PaymentState.CONFIRMING
    await in_thread(cancel, payment)
    await eventually(is_noted(payment), True)
    shown = await in_thread(payment_view, payment.reference)
    assert (shown.state, shown.is_called_off) == (PaymentState.CONFIRMING, True)
    order = books.orders[f"{payment.reference}-1"]
    order.state = OrderState.AUTHORISED
    await eventually(state_of(payment), PaymentState.VOID_PENDING)
    await notify_all(books)
    await eventually(state_of(payment), CANCELLED)
    await eventually(saga_status(payment), "compensated")
    assert (order.state, order.captured.minor) == (OrderState.CANCELLED, 0)
    assert await in_thread(lambda: Reservation.objects.get().state) == "released"


async def test_a_shopper_cancels_before_paying(back_end: None, payment: Payment) -> None:
    pending = await in_thread(give_up, payment.reference)
    assert await held_tier.answer(pending, budget_seconds=PATIENCE_SECONDS) == CANCELLED
    with pytest.raises(IllegalTransition):
        await in_thread(submit, payment.reference)


async def test_a_payment_that_was_refused_before_it_was_called_off_is_cancelled_and_not_tried_again(
    back_end: None, payment: Payment
) -> None:
    """The command to call it off arrives after the refusal."""
    assert await pay(payment, "refuse") == PaymentState.REFUSED
    late = CallOff(payment=payment.reference, attempt=f"{payment.reference}-1")
    pending = Pending(payment=payment.reference, command=late)
    assert await held_tier.answer(pending, budget_seconds=PATIENCE_SECONDS) == CANCELLED


async def test_a_payment_that_is_called_off_before_its_purchase_begins_asks_no_provider(
    back_end: None, payment: Payment, books: Books
) -> None:
    pending = await in_thread(submit, payment.reference)
    await in_thread(give_up, payment.reference)
    assert (
        await held_tier.answer(pending, sealed_card="approve", budget_seconds=PATIENCE_SECONDS) == CANCELLED
    )
    assert not books.orders
