"""After a restore of the database, payments are locked until both books agree."""

from io import StringIO

import pytest
from django.core.management import call_command

from checkout.errors import IllegalTransition
from checkout.management.gateway.doctor import books as doctor
from checkout.money import Money
from checkout.payments.actions import lock_payments, request_refund, request_void
from checkout.payments.calls import time_to_show
from checkout.payments.models import Operation, Payment, PostponedComparison, ProviderAccount
from checkout.states import PaymentState
from tests.reconciliation.conftest import LONG_AGO, PAID
from tests.reconciliation.finding import found
from tests.reconciliation.later import let_pass
from tests.support.reconciling import reconcile

REFUNDED = 500


@pytest.fixture
def captured(paid):
    """Return a function that makes payments that are captured in both books, and refunded in the provider's.

    They were compared before the refund.
    """

    def make(refunded: int = 0):
        purchase = paid()
        purchase.operation(Operation.Kind.CAPTURE, PAID)
        Payment.objects.filter(pk=purchase.payment.pk).update(state=PaymentState.CAPTURED)
        purchase.books_have(captured=PAID)
        let_pass(LONG_AGO)
        reconcile()
        purchase.books_have(captured=PAID, refunded=refunded)
        return purchase

    return make


def refund(purchase):
    return request_refund(purchase.payment.reference, amount=Money(REFUNDED, "GBP"), by="ada")


def refuses(purchase):
    with pytest.raises(IllegalTransition, match="restored"):
        refund(purchase)
    return True


def test_a_refund_that_the_database_has_forgotten_is_not_made_again(captured):
    purchase = captured(refunded=REFUNDED)
    assert lock_payments() == 1
    let_pass(time_to_show())
    assert found(reconcile()) == {("refunded", 0, REFUNDED), ("ledger_refunded", 0, REFUNDED)}
    let_pass(time_to_show())
    assert refuses(purchase)
    purchase.operation(Operation.Kind.REFUND, REFUNDED)
    assert reconcile() == []
    assert refund(purchase).amount == Money(REFUNDED, "GBP")


def test_a_payment_that_agrees_is_unlocked_once_everything_must_show(captured):
    purchase = captured()
    lock_payments()
    assert reconcile() == []
    assert refuses(purchase), "a refund of the lost time may not show yet"
    let_pass(time_to_show())
    reconcile()
    assert refund(purchase).state == "requested"


def test_nothing_is_voided_that_may_have_been_captured(paid):
    purchase = paid()
    lock_payments()
    with pytest.raises(IllegalTransition, match="restored"):
        request_void(purchase.payment.reference, by="ada")


def test_the_newest_payments_are_compared_first(captured, asked):
    purchases = [captured() for _ in range(3)]
    assert lock_payments() == 3
    let_pass(time_to_show())
    asked.clear()
    reconcile()
    assert asked == [each.attempt.order_code for each in reversed(purchases)]
    assert not PostponedComparison.objects.exists()


def test_payments_of_which_nothing_is_left_are_not_locked(paid):
    ended = [paid() for _ in range(3)]
    for purchase, state in zip(ended, ("voided", "refunded", "expired"), strict=True):
        Payment.objects.filter(pk=purchase.payment.pk).update(state=state)
    assert lock_payments() == 0


@pytest.fixture
def silent(books):
    """Let the provider report no sums."""
    books.scenarios.tell("inquire", position=None)


@pytest.mark.usefixtures("silent")
def test_what_the_provider_does_not_tell_stays_locked_until_the_operator_unlocks_it(captured):
    purchase = captured()
    lock_payments()
    let_pass(time_to_show())
    reconcile()
    assert refuses(purchase)
    let_pass(LONG_AGO)
    let_pass(LONG_AGO)
    [told] = [each for each in doctor.findings() if "locked" in each.text]
    assert told.text == "1 payment is locked since a restore"
    assert "--unlock" in told.advice
    out = StringIO()
    call_command("gateway", "after-restore", "--unlock", stdout=out)
    assert "1 payment unlocked." in out.getvalue()
    assert refund(purchase).state == "requested"


def test_the_command_locks_payments_unless_their_database_was_kept(captured):
    purchase = captured()
    moment = ("--moment", "2026-01-01T00:00Z")
    call_command("gateway", "after-restore", *moment, "--payments-kept", stdout=StringIO())
    assert not PostponedComparison.objects.exists()
    call_command("gateway", "after-restore", *moment, stdout=StringIO())
    call_command("gateway", "after-restore", *moment, stdout=StringIO())
    assert refuses(purchase)
    assert PostponedComparison.objects.count() == ProviderAccount.objects.count() == 1
