"""Comparisons of payments with a notification that changed none of our operations."""

from datetime import timedelta

import pytest

from checkout.payments.messages import ApplyNotification
from checkout.payments.models import Attempt, PostponedComparison
from checkout.payments.service import service
from tests.payments.service.delivering import command, deliver, stored
from tests.payments.service.test_notification import body
from tests.reconciliation.conftest import PAID, Twinned
from tests.reconciliation.finding import found
from tests.reconciliation.later import let_pass
from tests.support.reconciling import reconcile

HOUR = timedelta(hours=1)
REFUNDED_TWICE = {("refunded", 300, 600), ("ledger_refunded", 300, 600)}


@pytest.fixture
def refunded(paid) -> Twinned:
    """Return a payment with a refund of 3.00 GBP, whose books agreed when they were compared long ago."""
    purchase: Twinned = paid()
    purchase.operation("capture", PAID)
    purchase.operation("refund", 300)
    purchase.books_have(captured=PAID, refunded=300)
    assert reconcile() == []
    let_pass(HOUR)
    assert reconcile() == []
    return purchase


def notify(attempt: Attempt, text: str, *, is_proven: bool = True) -> None:
    """Apply a notification."""
    row = stored(attempt.provider_account, text, is_proven=is_proven)
    deliver(service, command(ApplyNotification(notification=row.pk)))


def told(purchase: Twinned, reference: str = "", *, number: int = 1) -> str:
    """Return the notification of a refund of 3.00 GBP."""
    return body(
        purchase.attempt,
        "REFUNDED",
        merchant_code="TWIN",
        minor=300,
        reference=reference,
        number=number,
    )


def test_a_refund_in_the_portal_of_the_amount_of_ours_is_found(refunded):
    """The refund is attributed to ours, so the payment does not change."""
    refunded.books_have(captured=PAID, refunded=600)
    notify(refunded.attempt, f"{told(refunded)} ")
    assert found(reconcile()) == REFUNDED_TWICE


def test_a_movement_that_is_told_in_the_same_words_as_another_is_found(refunded):
    notify(refunded.attempt, told(refunded))
    let_pass(HOUR)
    assert reconcile() == []
    refunded.books_have(captured=PAID, refunded=600)
    notify(refunded.attempt, f"{told(refunded)} ")
    assert found(reconcile()) == REFUNDED_TWICE


def test_a_movement_that_has_ended_ours_is_found_when_ours_is_told(refunded):
    """Our operation waited, and the movement in the portal was notified first, without a reference."""
    ours = refunded.attempt.operations.get(kind="refund")
    notify(refunded.attempt, told(refunded))
    let_pass(HOUR)
    assert reconcile() == []
    refunded.books_have(captured=PAID, refunded=600)
    notify(refunded.attempt, told(refunded, ours.reference, number=2))
    assert found(reconcile()) == REFUNDED_TWICE


def test_the_payment_is_compared_until_the_provider_s_queries_must_show_it(refunded):
    notify(refunded.attempt, told(refunded))
    assert reconcile() == []
    refunded.books_have(captured=PAID, refunded=600)
    assert found(reconcile()) == REFUNDED_TWICE


def test_after_that_it_is_compared_no_more(refunded, asked):
    notify(refunded.attempt, told(refunded))
    let_pass(HOUR)
    assert reconcile() == []
    assert not PostponedComparison.objects.exists()
    asked.clear()
    assert reconcile() == []
    assert asked == []


def test_neither_a_hint_nor_the_notification_of_our_own_has_it_compared(refunded):
    ours = refunded.attempt.operations.get(kind="refund")
    notify(refunded.attempt, told(refunded), is_proven=False)
    notify(refunded.attempt, told(refunded, ours.reference))
    notify(refunded.attempt, told(refunded, ours.reference))
    assert not PostponedComparison.objects.exists()


def test_a_capture_in_the_portal_of_which_only_its_settlement_tells_is_found(paid):
    """Each capture is settled by itself, so the amounts together do not exceed ours."""
    purchase: Twinned = paid()
    purchase.operation("capture", 600)
    purchase.books_have(captured=600)
    reconcile()
    let_pass(HOUR)
    assert reconcile() == []
    purchase.books_have(captured=900)
    settlement = body(purchase.attempt, "SETTLED", merchant_code="TWIN", minor=300, number=1)
    notify(purchase.attempt, settlement)
    assert ("captured", 600, 900) in found(reconcile())


def test_it_is_compared_as_long_although_earlier_sums_were_to_be_compared_again(refunded):
    PostponedComparison.objects.create(
        account=refunded.attempt.provider_account, payment=refunded.payment, sums={"refunded x": 1}
    )
    notify(refunded.attempt, told(refunded))
    assert reconcile() == []
    refunded.books_have(captured=PAID, refunded=600)
    assert found(reconcile()) == REFUNDED_TWICE
