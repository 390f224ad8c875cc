"""The differences that reconciliation finds, and how they end."""

import pytest
from django.utils import timezone

from checkout.money import Money
from checkout.payments.models import (
    Attempt,
    Difference,
    Operation,
    Payment,
    ProviderAccount,
    Reconciliation,
    Saga,
)
from checkout.states import AttemptState, PaymentState
from tests.reconciliation.conftest import LONG_AGO, PAID
from tests.reconciliation.finding import found
from tests.support.memory_provider.books import Order, OrderState
from tests.support.reconciling import reconcile


def test_books_that_agree_have_no_differences(paid):
    paid()
    captured = paid()
    captured.operation("capture", 600)
    captured.operation("capture", 650)
    captured.operation("refund", 1)
    captured.books_have(captured=PAID, refunded=1)
    assert reconcile() == []
    assert Reconciliation.objects.get().compared == 2


@pytest.mark.parametrize(
    ("theirs", "expected"),
    [
        ({"captured": 1249}, {("captured", 1250, 1249), ("ledger_captured", 1250, 1249)}),
        (
            {"captured": 1250, "refunded": 1},
            {("refunded", 0, 1), ("ledger_refunded", 0, 1)},
        ),
    ],
)
def test_one_minor_unit_is_a_difference(paid, theirs, expected):
    purchase = paid()
    purchase.operation("capture", PAID)
    purchase.books_have(**theirs)
    assert found(reconcile()) == expected


def test_an_authorisation_that_only_they_have_is_a_difference(paid):
    purchase = paid()
    Attempt.objects.update(state=AttemptState.REFUSED)
    (difference,) = reconcile()
    assert (difference.kind, difference.ours_minor, difference.theirs_minor) == ("authorised", 0, PAID)
    assert difference.payment == purchase.payment
    assert difference.order_code == purchase.attempt.order_code
    assert difference.currency == "GBP"


def test_an_authorisation_that_only_we_have_is_a_difference(paid, books):
    paid()
    books.orders.clear()
    assert found(reconcile()) == {("authorised", PAID, 0)}


def test_a_voided_authorisation_is_gone_from_both_books(paid):
    purchase = paid()
    purchase.operation("void", PAID)
    assert found(reconcile()) == {("authorised", 0, PAID)}
    purchase.order.state = OrderState.CANCELLED
    assert reconcile() == []


def test_an_expired_authorisation_is_gone_from_both_books(paid):
    purchase = paid()
    Payment.objects.update(state=PaymentState.EXPIRED)
    assert found(reconcile()) == {("authorised", 0, PAID)}
    purchase.order.state = OrderState.CANCELLED
    assert reconcile() == []


def test_another_currency_is_a_difference_whatever_the_amount(paid):
    purchase = paid()
    nothing = Money(0, "EUR")
    purchase.order.amount = Money(PAID, "EUR")
    purchase.order.captured = purchase.order.refunded = nothing
    (difference,) = reconcile()
    assert (difference.kind, difference.currency) == ("currency", "EUR")


def test_money_in_another_currency_is_not_compared_with_our_ledger(paid):
    purchase = paid()
    purchase.operation("capture", PAID)
    purchase.order.amount = purchase.order.captured = Money(PAID - 50, "EUR")
    purchase.order.refunded = Money(0, "EUR")
    assert found(reconcile()) == {("currency", PAID, PAID - 50)}


def test_a_refund_that_came_back_is_in_neither_book(paid):
    payment = paid()
    payment.operation("capture", 1250)
    refund = payment.operation("refund", 250, Operation.State.REFUSED)
    payment.post("refunded", refund.reference, 250)
    payment.post("refund_returned", refund.reference, 250)
    payment.books_have(captured=1250)
    assert reconcile() == []
    payment.post("refunded", "op_another", 100)
    assert found(reconcile(since=timezone.now() - LONG_AGO * 2)) == {("ledger_refunded", 100, 0)}


def test_a_ledger_entry_in_another_currency_is_a_difference(paid):
    made_in_dollars, more_in_dollars = paid(), paid()
    made_in_dollars.operation("capture", PAID, posted_in="USD")
    more_in_dollars.operation("capture", PAID)
    more_in_dollars.post("captured", "stray", 5, "USD")
    for purchase in (made_in_dollars, more_in_dollars):
        purchase.books_have(captured=PAID)
    seen = {(each.kind, each.payment, each.ours, each.theirs) for each in reconcile()}
    assert seen == {
        ("ledger_captured", made_in_dollars.payment, "£0.00", "£12.50"),
        ("ledger_captured", more_in_dollars.payment, "$0.05", "$0.00"),
        ("ledger_in_process", more_in_dollars.payment, "-$0.05", "$0.00"),
    }


def test_the_ledger_is_compared_as_well_as_the_operations(paid):
    purchase = paid()
    purchase.operation("capture", PAID)
    purchase.books_have(captured=PAID)
    purchase.post("captured", "op_twice", 5)
    assert found(reconcile()) == {("ledger_captured", PAID + 5, PAID), ("ledger_in_process", -5, 0)}


def test_the_differences_of_each_attempt_stand_with_its_own_order(paid, books):
    purchase = paid()
    second = purchase.try_again()
    books.orders[second.order_code] = Order(
        order_code=second.order_code, session_id="s", amount=Money(PAID, "GBP"), state=OrderState.AUTHORISED
    )
    (difference,) = reconcile()
    assert difference.order_code == second.order_code


def test_a_difference_is_opened_once_seen_again_and_resolved(paid):
    purchase = paid()
    purchase.operation("capture", PAID)
    purchase.books_have(captured=PAID - 1)
    first = reconcile()
    purchase.books_have(captured=PAID - 2)
    again = reconcile()
    assert {difference.pk for difference in again} == {difference.pk for difference in first}
    assert Difference.objects.get(kind="captured").theirs_minor == PAID - 2
    assert purchase.payment.facts.filter(kind="books_differ").count() == len(first)
    purchase.books_have(captured=PAID)
    assert reconcile() == []
    assert not Difference.objects.filter(resolved_at__isnull=True).exists()
    purchase.books_have(captured=0)
    assert not {difference.pk for difference in reconcile(since=timezone.now() - 2 * LONG_AGO)} & {
        difference.pk for difference in first
    }


@pytest.mark.usefixtures("shown_at_once")
def test_an_open_operation_of_a_parked_saga_does_not_hide_a_difference(paid):
    purchase = paid()
    purchase.operation("capture", PAID, Operation.State.UNKNOWN)
    purchase.books_have(captured=PAID)
    Saga.objects.create(
        kind="capture",
        key="k",
        payment=purchase.payment,
        attempt=purchase.attempt,
        step="inquire",
        status=Saga.Status.PARKED,
    )
    purchase.payment.save()
    assert found(reconcile()) == {("captured", 0, PAID), ("ledger_captured", 0, PAID)}


def test_what_was_asked_for_and_is_not_certain_may_be_in_process(paid):
    purchase = paid()
    capture = purchase.operation("capture", PAID, Operation.State.PENDING)
    purchase.post("capture_requested", capture.reference, PAID)
    assert reconcile() == []
    Operation.objects.update(state=Operation.State.REFUSED)
    purchase.payment.save()
    assert found(reconcile()) == {("ledger_in_process", PAID, 0)}


@pytest.mark.usefixtures("shown_at_once")
@pytest.mark.parametrize("reason", ["saga", "operation", "state"])
def test_a_payment_on_its_way_is_left_for_later(paid, reason):
    purchase = paid()
    purchase.books_have(captured=PAID)
    if reason == "saga":
        Saga.objects.create(
            kind="capture", key="k", payment=purchase.payment, attempt=purchase.attempt, step="inquire"
        )
    elif reason == "operation":
        purchase.operation("capture", PAID, Operation.State.REQUESTED)
        purchase.payment.save()
    else:
        Payment.objects.update(state=PaymentState.CONFIRMING, updated_at=timezone.now())
    assert reconcile() == []
    assert Reconciliation.objects.get().in_progress == 1
    Saga.objects.update(status=Saga.Status.COMPLETED, updated_at=timezone.now())
    Payment.objects.update(updated_at=timezone.now() - LONG_AGO)
    assert found(reconcile(since=timezone.now() - 2 * LONG_AGO)) >= {("captured", 0, PAID)}


@pytest.mark.usefixtures("shown_at_once")
def test_a_payment_that_waits_for_staff_is_not_on_its_way(paid):
    paid().books_have(captured=PAID)
    Payment.objects.update(state=PaymentState.CONFLICTED, updated_at=timezone.now())
    assert ("captured", 0, PAID) in found(reconcile())


def test_books_that_move_while_the_provider_is_asked_are_left_for_later(paid, books):
    purchase = paid()
    books.scenarios.before("inquire", lambda: Attempt.objects.update(state=AttemptState.REFUSED))
    assert reconcile() == []
    assert Reconciliation.objects.get().in_progress == 1
    assert found(reconcile(since=timezone.now() - 2 * LONG_AGO)) == {("authorised", 0, PAID)}
    assert purchase.payment.facts.count() == 1


def test_what_the_provider_does_not_tell_is_counted_and_not_guessed(paid):
    purchase = paid()
    purchase.order.state = OrderState.CHALLENGED
    Attempt.objects.update(state=AttemptState.EXPIRED)
    assert reconcile() == []
    purchase.order.state = OrderState.PENDING
    assert reconcile(since=timezone.now() - 2 * LONG_AGO) == []


def test_accounts_are_reconciled_apart(paid, account):
    paid()
    Attempt.objects.update(state=AttemptState.REFUSED)
    ProviderAccount.objects.create(
        merchant=account.merchant, code="other", provider="memory", merchant_code="X", endpoint=""
    )
    assert reconcile("other") == []
    assert found(reconcile("twin")) == {("authorised", 0, PAID)}
    with pytest.raises(ProviderAccount.DoesNotExist):
        reconcile("nobody")


def test_the_ledger_of_a_payment_at_two_accounts_is_not_compared_with_one_of_them(paid, account, books):
    purchase = paid()
    purchase.operation("capture", PAID)
    purchase.books_have(captured=PAID)
    other = ProviderAccount.objects.create(
        merchant=account.merchant, code="other", provider="memory", merchant_code="TWIN", endpoint=""
    )
    second = purchase.try_again()
    Attempt.objects.filter(pk=second.pk).update(provider_account=other)
    books.orders[second.order_code] = Order(
        order_code=second.order_code, session_id="s", amount=Money(PAID, "GBP"), state=OrderState.CANCELLED
    )
    assert [reconcile("other"), reconcile("twin")] == [[], []]
    assert Reconciliation.objects.get(account=other).compared == 1
