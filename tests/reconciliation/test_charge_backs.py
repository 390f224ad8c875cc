"""Charge-backs, and the ledger if the provider reports no sums."""

import pytest
from django.utils import timezone

from checkout.payments.models import Difference, Operation, Payment, Reconciliation
from checkout.states import PaymentState
from tests.reconciliation.conftest import LONG_AGO, PAID
from tests.reconciliation.finding import again, found
from tests.support.memory_provider.books import Manners
from tests.support.reconciling import reconcile


def test_charge_backs_are_compared_and_are_no_refunds(paid):
    purchase = paid()
    purchase.operation("capture", PAID)
    purchase.operation("refund", 250)
    purchase.operation("charge_back", 400)
    purchase.operation("charge_back_reversal", 100)
    Payment.objects.update(state=PaymentState.CHARGED_BACK)
    purchase.books_have(captured=PAID, refunded=250, charged_back=300)
    assert reconcile() == []
    purchase.books_have(captured=PAID, refunded=250, charged_back=301)
    assert again() == {("charged_back", 300, 301), ("ledger_charged_back", 300, 301)}


def test_a_charge_back_that_nobody_told_us_of_is_found(paid):
    purchase = paid()
    purchase.operation("capture", PAID)
    purchase.books_have(captured=PAID, charged_back=PAID)
    assert found(reconcile()) == {("charged_back", 0, PAID), ("ledger_charged_back", 0, PAID)}


def test_an_order_that_the_provider_does_not_know_was_not_charged_back_there(paid, books):
    purchase = paid()
    purchase.operation("capture", PAID)
    purchase.operation("charge_back", 300)
    books.orders.clear()
    assert found(reconcile()) == {
        ("authorised", PAID, 0),
        ("captured", PAID, 0),
        ("charged_back", 300, 0),
        ("ledger_captured", PAID, 0),
        ("ledger_charged_back", 300, 0),
    }


def test_a_charge_back_that_is_not_in_the_ledger_is_found(paid):
    purchase = paid()
    purchase.operation("capture", PAID)
    Operation.objects.create(
        payment=purchase.payment,
        attempt=purchase.attempt,
        kind="charge_back",
        amount_minor=300,
        currency="GBP",
        state=Operation.State.DONE,
    )
    long_ago = timezone.now() - LONG_AGO
    Operation.objects.update(created_at=long_ago, updated_at=long_ago)
    purchase.books_have(captured=PAID, charged_back=300)
    assert found(reconcile()) == {("ledger_charged_back", 0, 300)}


def test_the_ledger_is_compared_with_our_operations_if_an_orders_sums_are_not_told(paid):
    purchase = paid()
    purchase.order.manners = Manners(tells_position=False)
    purchase.operation("capture", PAID)
    purchase.operation("charge_back", 300)
    assert reconcile() == []
    run = Reconciliation.objects.get()
    assert (run.compared, run.untold) == (1, 1)
    purchase.post("refunded", "op_unknown", 100)
    assert again() == {("ledger_refunded", 100, 0)}
    purchase.post("charged_back", "op_unknown", 50)
    assert again() == {("ledger_refunded", 100, 0), ("ledger_charged_back", 350, 300)}


@pytest.mark.parametrize("refunded", [0, 300])
def test_charge_backs_that_the_provider_does_not_tell_apart_are_compared_with_our_operations(paid, refunded):
    """The provider may count charge-backs among refunds, or not at all."""
    purchase = paid()
    purchase.operation("capture", PAID)
    purchase.operation("charge_back", 300)
    purchase.books_have(captured=PAID, refunded=refunded)
    purchase.order.manners = Manners(tells_charge_backs=False)
    assert reconcile() == []
    purchase.post("charged_back", "op_twice", 300)
    assert again() == {("ledger_charged_back", 600, 300)}


def test_a_charge_back_that_was_told_once_ends_its_difference_when_we_have_booked_it(paid):
    purchase = paid()
    purchase.operation("capture", PAID)
    purchase.books_have(captured=PAID, charged_back=300)
    assert found(reconcile()) == {("charged_back", 0, 300), ("ledger_charged_back", 0, 300)}
    purchase.order.manners = Manners(tells_charge_backs=False)
    reconcile()
    assert still_open() == {"charged_back"}
    purchase.operation("charge_back", 300)
    assert reconcile() == []
    assert still_open() == set()


def test_a_charge_back_of_which_only_the_last_event_tells_is_a_difference_until_we_have_booked_it(paid):
    purchase = paid()
    purchase.order.manners = Manners(tells_position=False)
    purchase.operation("capture", PAID)
    purchase.books_have(captured=PAID, charged_back=300)
    [difference] = reconcile()
    assert (difference.kind, difference.ours, difference.theirs) == ("charged_back", "nothing", "not told")
    assert again() == {("charged_back", 0, 0)}
    purchase.operation("charge_back", 300)
    assert reconcile() == []
    assert still_open() == set()


def test_an_attempt_that_never_arrived_does_not_tell_of_the_charge_backs_of_another(paid):
    purchase = paid()
    purchase.try_again()
    purchase.operation("capture", PAID)
    purchase.operation("charge_back", 300)
    purchase.books_have(captured=PAID)
    purchase.order.manners = Manners(tells_charge_backs=False)
    assert reconcile() == []


def still_open() -> set[str]:
    return set(Difference.objects.filter(resolved_at=None).values_list("kind", flat=True))
