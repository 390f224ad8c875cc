"""Queries that the provider answers from a copy of its books, which lacks the latest events."""

from datetime import timedelta

import pytest
from django.utils import timezone

from checkout.conf import conf
from checkout.money import Money
from checkout.payments.models import (
    Attempt,
    Difference,
    Operation,
    Payment,
    PostponedComparison,
    Reconciliation,
)
from checkout.payments.providers.base import Outcome, Verb
from tests.reconciliation.conftest import PAID
from tests.reconciliation.finding import found
from tests.reconciliation.later import let_pass
from tests.support.reconciling import reconcile

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
CAPTURE_MISSING = {("captured", PAID, 0), ("ledger_captured", PAID, 0)}


@pytest.fixture
def lags_of_seconds(settings):
    settings.CHECKOUT_SETTLING_SECONDS = 2
    settings.CHECKOUT_ORDER_LAG_SECONDS, settings.CHECKOUT_MODIFICATION_LAG_SECONDS = 3, 8


def changed(purchase, ago):
    Payment.objects.filter(pk=purchase.payment.pk).update(updated_at=timezone.now() - ago)


def test_a_refund_that_shows_late_is_found_though_the_books_agreed_before(paid):
    purchase = paid()
    purchase.operation("capture", PAID)
    purchase.operation("refund", 300, Operation.State.REFUSED)
    purchase.books_have(captured=PAID)
    changed(purchase, 12 * MINUTE)
    assert reconcile() == []
    purchase.books_have(captured=PAID, refunded=300)
    let_pass(9 * MINUTE)
    assert found(reconcile()) == {("refunded", 0, 300), ("ledger_refunded", 0, 300)}


def test_no_mark_passes_a_change_that_may_not_show_yet(paid, asked):
    purchase = paid()
    changed(purchase, conf.settling_time + conf.modification_lag - MINUTE)
    reconcile()
    compared_until = Reconciliation.objects.get().compared_until
    assert compared_until is not None
    assert compared_until < timezone.now() - conf.modification_lag
    asked.clear()
    let_pass(2 * MINUTE)
    reconcile()
    assert len(asked) == 1
    reconcile()
    assert len(asked) == 1, "the books agreed when everything had to show"


def test_what_was_booked_a_moment_ago_is_no_difference_until_it_must_show(paid):
    purchase = paid()
    purchase.operation("capture", PAID)
    changed(purchase, MINUTE / 2)
    assert reconcile() == []
    run = Reconciliation.objects.get()
    assert (run.compared, run.in_progress) == (0, 1)
    assert not purchase.payment.facts.exists()
    let_pass(HOUR)
    assert found(reconcile()) == CAPTURE_MISSING


@pytest.mark.parametrize("lags", [(300, 1200), (1200, 300)])
def test_the_longer_of_the_lags_of_orders_and_modifications_counts(paid, settings, lags):
    settings.CHECKOUT_ORDER_LAG_SECONDS, settings.CHECKOUT_MODIFICATION_LAG_SECONDS = lags
    purchase = paid()
    purchase.operation("capture", PAID)
    changed(purchase, 10 * MINUTE)
    assert reconcile() == []
    let_pass(HOUR)
    assert found(reconcile()) == CAPTURE_MISSING


@pytest.mark.parametrize("model", [Attempt, Operation])
def test_what_changed_without_its_payment_is_no_difference_until_it_must_show(paid, model):
    """For example, the second of three captures leaves its payment partially captured."""
    purchase = paid()
    purchase.operation("capture", PAID)
    model.objects.update(updated_at=timezone.now() - MINUTE)
    assert reconcile() == []
    let_pass(HOUR)
    assert found(reconcile()) == CAPTURE_MISSING


def test_what_has_just_been_authorised_is_no_difference_until_it_must_show(paid, books):
    changed(paid(), MINUTE)
    books.orders.clear()
    assert reconcile() == []
    let_pass(HOUR)
    assert found(reconcile()) == {("authorised", PAID, 0)}


@pytest.mark.parametrize(("minutes", "shows"), [(22, False), (24, True)])
def test_what_was_asked_for_may_show_late_though_our_books_have_not_changed(paid, minutes, shows):
    purchase = paid()
    purchase.attempt.provider_calls.create(
        key="k", verb=Verb.CAPTURE, outcome=Outcome.PENDING, started_at=timezone.now() - minutes * MINUTE
    )
    purchase.books_have(captured=1)
    assert bool(reconcile()) == shows


def test_books_that_agree_are_noted_at_once(paid):
    purchase = paid()
    purchase.books_have(captured=PAID)
    reconcile()
    purchase.operation("capture", PAID)
    changed(purchase, MINUTE)
    assert reconcile() == []
    assert not Difference.objects.filter(resolved_at=None).exists()
    assert not PostponedComparison.objects.exists()


def test_a_difference_that_staff_see_already_is_reported_though_its_payment_has_just_changed(paid):
    purchase = paid()
    purchase.operation("capture", PAID)
    assert found(reconcile()) == CAPTURE_MISSING
    changed(purchase, MINUTE)
    assert found(reconcile()) == CAPTURE_MISSING


@pytest.mark.usefixtures("lags_of_seconds")
def test_lags_of_seconds_hold_a_difference_up_for_seconds(paid):
    purchase = paid()
    purchase.operation("capture", PAID)
    changed(purchase, timedelta(seconds=1))
    assert reconcile() == []
    let_pass(timedelta(seconds=10))
    assert found(reconcile()) == CAPTURE_MISSING


def test_a_comparison_that_waits_is_made_though_the_mark_has_passed_its_payment(paid):
    """For example, a process dies after it has left a payment, or the clocks of two hosts differ."""
    purchase = paid()
    purchase.operation("capture", PAID)
    changed(purchase, MINUTE)
    reconcile()
    let_pass(HOUR)
    Reconciliation.objects.update(compared_until=timezone.now())
    assert found(reconcile()) == CAPTURE_MISSING
    assert not PostponedComparison.objects.exists()


def test_a_run_that_dies_after_it_has_left_a_payment_leaves_it_to_the_next(paid, monkeypatch):
    purchase = paid()
    purchase.operation("capture", PAID)
    changed(purchase, MINUTE)
    with monkeypatch.context() as patch:
        patch.setattr(Reconciliation, "save", _die)
        with pytest.raises(KeyboardInterrupt):
            reconcile()
    let_pass(HOUR)
    assert found(reconcile()) == CAPTURE_MISSING


def _die(*_arguments, **_named):
    raise KeyboardInterrupt


@pytest.mark.parametrize("interval", [10 * MINUTE, HOUR])
def test_a_payment_that_changes_before_each_run_is_compared_with_its_sums_of_an_earlier_one(paid, interval):
    purchase = paid()
    purchase.operation("capture", PAID)
    purchase.books_have(captured=PAID - 5)
    differing = {("captured", PAID, PAID - 5), ("ledger_captured", PAID, PAID - 5)}
    for number in range(4):
        must_show = number * interval > conf.settling_time + conf.modification_lag
        changed(purchase, MINUTE)
        assert found(reconcile()) == (differing if must_show else set())
        let_pass(interval)


def test_a_change_that_is_dated_in_the_future_holds_a_difference_up_no_longer(paid):
    purchase = paid()
    purchase.operation("capture", PAID)
    changed(purchase, -24 * HOUR)
    assert reconcile() == []
    let_pass(HOUR)
    assert found(reconcile()) == CAPTURE_MISSING


def test_a_copy_that_is_always_one_capture_behind_is_no_difference(paid):
    purchase = paid()
    for number in range(5):
        purchase.operation("capture", 100)
        changed(purchase, MINUTE)
        purchase.books_have(captured=100 * number)
        assert reconcile() == []
        let_pass(HOUR)
    assert found(reconcile()) == {("captured", 500, 400), ("ledger_captured", 500, 400)}


def test_an_old_refund_that_is_missing_is_found_while_new_ones_are_made(paid):
    purchase = paid()
    purchase.operation("capture", PAID)
    purchase.operation("refund", 300)
    for number, differing in enumerate([set(), {("refunded", 320, 10), ("ledger_refunded", 320, 10)}]):
        purchase.operation("refund", 10)
        changed(purchase, MINUTE)
        purchase.books_have(captured=PAID, refunded=10 * number)
        assert found(reconcile()) == differing
        let_pass(HOUR)


def test_another_currency_is_a_difference_at_once(paid):
    purchase = paid()
    purchase.order.amount = Money(PAID, "EUR")
    purchase.order.captured = purchase.order.refunded = Money(0, "EUR")
    changed(purchase, MINUTE)
    assert {difference.kind for difference in reconcile()} == {"currency"}
