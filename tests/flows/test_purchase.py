"""Whole purchases, from the operation that a page calls to the provider's books."""

import asyncio
from collections.abc import Iterator

import pytest
import structlog
from pytest_django import Settings

from checkout.errors import IllegalTransition, PaymentNotFound, TokenRejected
from checkout.ledger.models import LedgerEntry
from checkout.orders.models import Reservation, StockItem
from checkout.payments.actions import create_payment, payment_view, return_from_challenge
from checkout.payments.challenge_token import tokens_for
from checkout.payments.models import Attempt, OutboxMessage, Payment, Saga
from checkout.payments.sagas.orchestration import in_place
from checkout.receipts.models import Receipt
from checkout.risk.models import RiskAssessment
from checkout.states import PaymentState
from checkout.web import held_tier, notifications as webhooks
from messaging.concurrency.database import in_thread
from tests.flows.shopping import PATIENCE_SECONDS, eventually, pay, returned, saga_status, submit
from tests.support.memory_provider.books import Books


@pytest.fixture(
    autouse=True,
    params=["", "risk,orders,ledger,receipts"],
    ids=["each service by itself", "services in place"],
)
def services(request: pytest.FixtureRequest, settings: Settings) -> Iterator[None]:
    """Choose whether risk, orders, ledger and receipts work in place. The shopper notices no difference."""
    settings.CHECKOUT_IN_PLACE = request.param
    yield
    in_place.choose([])


def ledger_balance() -> int:
    return sum(LedgerEntry.objects.values_list("amount_minor", flat=True))


async def test_a_frictionless_purchase_reaches_every_service(
    back_end: None, payment: Payment, books: Books
) -> None:
    state = await pay(payment, "approve")
    assert state == PaymentState.CAPTURE_PENDING
    await eventually(saga_status(payment), "completed")
    order = books.orders[f"{payment.reference}-1"]
    assert (order.amount.minor, order.captured.minor) == (1250, 1250)
    assert await in_thread(lambda: Reservation.objects.get().state) == "confirmed"
    await eventually(LedgerEntry.objects.count, 2)
    await eventually(Receipt.objects.count, 1)
    assert await in_thread(ledger_balance) == 0


async def test_a_challenge_holds_the_money_until_the_shopper_is_back(
    back_end: None, payment: Payment, books: Books
) -> None:
    assert await pay(payment, "challenge") == PaymentState.CHALLENGE_REQUIRED
    assert books.orders[f"{payment.reference}-1"].captured.minor == 0
    state = await held_tier.answer(await returned(payment), budget_seconds=PATIENCE_SECONDS)
    assert state == PaymentState.CAPTURE_PENDING
    await eventually(saga_status(payment), "completed")
    assert books.orders[f"{payment.reference}-1"].captured.minor == 1250


async def test_a_repeated_return_gets_the_recorded_answer_and_changes_nothing(
    back_end: None, payment: Payment, books: Books
) -> None:
    await pay(payment, "challenge")
    first = await held_tier.answer(await returned(payment), budget_seconds=PATIENCE_SECONDS)
    await eventually(saga_status(payment), "completed")
    again = await held_tier.answer(await returned(payment), budget_seconds=PATIENCE_SECONDS)
    assert again == first == PaymentState.CAPTURE_PENDING
    assert books.orders[f"{payment.reference}-1"].captured.minor == 1250


async def test_a_failed_challenge_releases_the_stock_and_another_card_may_be_tried(
    back_end: None, payment: Payment, books: Books
) -> None:
    await pay(payment, "challenge_refuse")
    state = await held_tier.answer(await returned(payment), budget_seconds=PATIENCE_SECONDS)
    assert state == PaymentState.REFUSED
    await eventually(saga_status(payment), "compensated")
    assert await in_thread(lambda: Reservation.objects.get().state) == "released"
    assert await pay(payment, "approve", attempt_number=2) == PaymentState.CAPTURE_PENDING
    await eventually(saga_status(payment), "completed")
    assert await in_thread(lambda: Reservation.objects.get().state) == "confirmed"
    assert books.orders[f"{payment.reference}-2"].captured.minor == 1250


async def test_two_clicks_at_once_are_one_attempt_and_both_get_the_answer(
    back_end: None, payment: Payment, books: Books
) -> None:
    states = await asyncio.gather(pay(payment, "approve"), pay(payment, "approve"))
    assert set(states) == {PaymentState.CAPTURE_PENDING}
    assert len(books.orders) == 1
    await eventually(saga_status(payment), "completed")
    assert books.orders[f"{payment.reference}-1"].captured.minor == 1250


async def test_an_old_form_after_a_refusal_does_not_pay_a_second_time(
    back_end: None, payment: Payment, books: Books
) -> None:
    assert await pay(payment, "refuse:insufficient_funds") == PaymentState.REFUSED
    assert await pay(payment, "approve") == PaymentState.REFUSED
    assert await in_thread(Attempt.objects.count) == 1
    assert (await in_thread(payment_view, payment.reference)).refusal_reason == "insufficient_funds"


async def test_an_unknown_outcome_is_told_as_confirming_and_resolved_by_asking(
    back_end: None, payment: Payment, books: Books
) -> None:
    assert await pay(payment, "unknown") == PaymentState.CONFIRMING

    def ask_now() -> None:
        OutboxMessage.objects.filter(type="payments.inquire", published_at=None).update(
            available_at=payment.created_at
        )

    await in_thread(ask_now)
    await eventually(saga_status(payment), "completed")
    assert books.orders[f"{payment.reference}-1"].captured.minor == 1250


async def test_a_submission_without_its_card_moves_no_money_and_may_be_repeated(
    back_end: None, payment: Payment, books: Books
) -> None:
    assert await pay(payment, "") == PaymentState.REFUSED
    assert (await in_thread(payment_view, payment.reference)).refusal_reason == "card_not_received"
    assert not books.orders
    assert not await in_thread(RiskAssessment.objects.exists)
    assert not await in_thread(Reservation.objects.exists)
    assert await pay(payment, "approve", attempt_number=2) == PaymentState.CAPTURE_PENDING


async def test_the_relay_carries_out_what_a_dead_web_process_only_wrote_down(
    back_end: None, payment: Payment, books: Books
) -> None:
    await pay(payment, "challenge")
    await returned(payment)  # committed and never published, as if the process had died

    def grace_is_over() -> None:
        OutboxMessage.objects.filter(published_at=None).update(available_at=payment.created_at)

    await in_thread(grace_is_over)
    await eventually(saga_status(payment), "completed")
    assert books.orders[f"{payment.reference}-1"].captured.minor == 1250


async def test_the_providers_notification_makes_the_capture_final(
    back_end: None, payment: Payment, books: Books
) -> None:
    await pay(payment, "approve")
    await eventually(saga_status(payment), "completed")
    for body in books.notifications():
        answer = await webhooks.take("memory", body, is_proven=True)
        assert answer.status == 200
        await webhooks.take("memory", body, is_proven=True)
    await eventually(lambda: Payment.objects.get(pk=payment.pk).state, PaymentState.CAPTURED)
    await eventually(LedgerEntry.objects.count, 4)
    assert await in_thread(ledger_balance) == 0


async def test_out_of_stock_is_refused_before_the_provider_hears_of_it(
    back_end: None, payment: Payment, books: Books
) -> None:
    await in_thread(StockItem.objects.update, quantity=0)
    assert await pay(payment, "approve") == PaymentState.REFUSED
    assert (await in_thread(payment_view, payment.reference)).refusal_reason == "out_of_stock"
    assert not books.orders


async def test_without_services_the_shopper_is_not_told_that_it_failed(
    shop: object, payment: Payment
) -> None:
    pending = await in_thread(submit, payment.reference)
    assert await held_tier.answer(pending, sealed_card="approve", budget_seconds=0.5) is None
    assert (await in_thread(payment_view, payment.reference)).state == PaymentState.PROCESSING


def test_a_token_of_another_payment_is_refused_and_nothing_changes(shop: object, payment: Payment) -> None:
    other = create_payment(
        payment.merchant, order_reference="order-2", amount=payment.amount, description="Tea"
    )
    submit(other.reference)
    attempt = Attempt.objects.select_related("payment").get(payment=other)
    [token] = tokens_for(attempt, 1)
    with pytest.raises(TokenRejected):
        return_from_challenge(payment.reference, token, transaction_id="", merchant_data="")
    assert Payment.objects.get(pk=payment.pk).state == PaymentState.OPEN


def test_an_unknown_payment_cannot_be_paid(shop: object) -> None:
    with pytest.raises(PaymentNotFound):
        submit("pay_unknown")


def test_an_expired_payment_cannot_be_paid(shop: object, payment: Payment) -> None:
    Payment.objects.filter(pk=payment.pk).update(state=PaymentState.EXPIRED)
    with pytest.raises(IllegalTransition):
        submit(payment.reference)


async def test_a_challenge_that_nobody_returns_from_expires_after_the_provider_was_asked(
    back_end: None, payment: Payment, books: Books
) -> None:
    await pay(payment, "challenge")

    def time_is_up() -> None:
        Attempt.objects.update(challenge_expires_at=payment.created_at)
        Saga.objects.update(deadline_at=payment.created_at, look_at=payment.created_at)

    await in_thread(time_is_up)
    await eventually(saga_status(payment), "compensated")
    assert (await in_thread(payment_view, payment.reference)).state == PaymentState.EXPIRED
    assert await in_thread(lambda: Reservation.objects.get().state) == "released"
    late = await held_tier.answer(await returned(payment), budget_seconds=PATIENCE_SECONDS)
    assert late == PaymentState.EXPIRED


async def test_a_return_after_the_token_has_expired_is_refused(
    back_end: None, payment: Payment, books: Books
) -> None:
    await pay(payment, "challenge")
    await in_thread(Attempt.objects.update, challenge_expires_at=payment.created_at)
    with pytest.raises(TokenRejected) as refused:
        await returned(payment)
    assert refused.value.is_expired


async def test_the_tidying_up_of_a_refused_attempt_does_not_answer_those_who_wait_for_the_next(
    back_end: None, payment: Payment, books: Books
) -> None:
    for number in range(1, 6):
        assert await pay(payment, "refuse", attempt_number=number) == PaymentState.REFUSED
    assert await pay(payment, "approve", attempt_number=6) == PaymentState.CAPTURE_PENDING


async def test_the_end_of_a_payment_is_one_line_in_the_log(
    back_end: None, payment: Payment, books: Books
) -> None:
    with structlog.testing.capture_logs() as lines:
        await pay(payment, "approve")
        await eventually(saga_status(payment), "completed")
        for body in books.notifications() * 2:  # a repeated notification ends nothing twice
            await webhooks.take("memory", body, is_proven=True)
        await eventually(lambda: Payment.objects.get(pk=payment.pk).state, PaymentState.CAPTURED)
        await eventually(LedgerEntry.objects.count, 4)
    [line] = [line for line in lines if line["event"] == "payment ended"]
    assert 0 <= line.pop("seconds") < PATIENCE_SECONDS
    assert line == {
        "event": "payment ended",
        "log_level": "info",
        "payment": payment.reference,
        "merchant": payment.merchant.code,
        "state": "captured",
        "amount": 1250,
        "currency": payment.currency,
    }
