"""The payments that a run compares, and the point at which the next run continues."""

from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from checkout.errors import ProviderUnavailable
from checkout.payments.models import Attempt, Payment, ProviderAccount, Reconciliation, Saga
from checkout.reconciliation import reconcile_account, reconcile_when_due
from checkout.states import AttemptState
from tests.payments.service.at_once import behind
from tests.payments.service.conftest import ACCOUNT, an_account
from tests.reconciliation.conftest import LONG_AGO, PAID
from tests.reconciliation.finding import found
from tests.support.reconciling import reconcile


def test_the_next_run_looks_at_what_changed_only(paid, asked):
    untouched, changed, parked = paid(), paid(), paid()
    reconcile()
    assert len(asked) == 3
    asked.clear()
    Payment.objects.filter(pk=changed.payment.pk).update(updated_at=timezone.now())
    Saga.objects.create(
        kind="capture",
        key="k",
        payment=parked.payment,
        attempt=parked.attempt,
        step="s",
        status=Saga.Status.PARKED,
    )
    reconcile()
    assert sorted(asked) == sorted([changed.attempt.order_code, parked.attempt.order_code])
    assert untouched.attempt.order_code not in asked


def test_what_differed_is_looked_at_again_though_it_did_not_change(paid, asked):
    paid()
    Attempt.objects.update(state=AttemptState.REFUSED)
    reconcile()
    asked.clear()
    assert len(reconcile()) == 1
    assert len(asked) == 1


def test_what_differed_and_has_changed_is_asked_about_once(paid, asked):
    paid()
    Attempt.objects.update(state=AttemptState.REFUSED)
    reconcile()
    asked.clear()
    Payment.objects.update(updated_at=timezone.now())
    assert len(reconcile()) == 1
    assert len(asked) == 1


def test_a_change_that_was_committed_late_is_not_missed(paid, asked):
    paid()
    reconcile()
    asked.clear()
    late = paid()
    Payment.objects.filter(pk=late.payment.pk).update(updated_at=timezone.now() - timedelta(minutes=4))
    reconcile()
    assert asked == [late.attempt.order_code]


def test_a_run_that_is_stopped_does_not_pass_over_the_last_minutes_either(paid, asked):
    purchases = [paid(), paid()]
    for minutes, purchase in enumerate(purchases, start=1):
        moment = timezone.now() - timedelta(minutes=4 - minutes)
        Payment.objects.filter(pk=purchase.payment.pk).update(updated_at=moment)
    reconcile_when_due(should_stop=lambda: bool(asked))
    run = Reconciliation.objects.get()
    assert run.compared_until is not None
    assert run.compared_until < run.started_at - timedelta(minutes=4)


def test_since_looks_at_everything_from_then_on(paid, asked):
    paid()
    reconcile()
    reconcile()
    assert len(asked) == 1
    reconcile(since=timezone.now() - 2 * LONG_AGO)
    assert len(asked) == 2


def test_a_run_that_begins_later_than_the_last_one_ended_leaves_no_gap(paid, stranger):
    """A regular run continues where the last regular run ended."""
    reconcile()
    Reconciliation.objects.update(
        compared_until=timezone.now() - timedelta(hours=9), listed_until=timezone.now() - timedelta(hours=9)
    )
    for hours in (5, 1):
        moment = timezone.now() - timedelta(hours=hours)
        Payment.objects.filter(pk=paid().payment.pk).update(updated_at=moment)
        stranger(moment)
    Attempt.objects.update(state=AttemptState.REFUSED)
    assert len(reconcile(since=timezone.now() - LONG_AGO)) == 2
    assert len({difference.pk for difference in reconcile()}) == 4


def test_a_run_that_begins_earlier_than_the_last_one_ended_moves_the_marks_on(paid, stranger):
    reconcile()
    reconcile(since=timezone.now() - LONG_AGO)
    marks = list(Reconciliation.objects.order_by("pk").values_list("compared_until", "listed_until"))
    assert all(earlier < later for earlier, later in zip(*marks, strict=True))


def test_what_got_no_answer_is_asked_again_by_the_next_run(paid, books):
    paid()
    with books.scenarios.answer("inquire", ProviderUnavailable("No connection.")):
        assert reconcile() == []
    assert Reconciliation.objects.get().unanswered == 1
    Attempt.objects.update(state=AttemptState.REFUSED)
    assert len(reconcile()) == 1


def test_a_provider_that_does_not_answer_is_left_alone_soon(paid, books):
    for _ in range(12):
        paid()
    books.scenarios.answer("inquire", ProviderUnavailable("No connection."))
    reconcile()
    assert Reconciliation.objects.get().unanswered == 5


def test_a_run_that_is_stopped_is_continued_by_the_next(paid, asked):
    purchases = [paid() for _ in range(4)]
    for hours, purchase in enumerate(purchases, start=2):
        moment = timezone.now() - timedelta(hours=10 - hours)
        Payment.objects.filter(pk=purchase.payment.pk).update(updated_at=moment)
    reconcile_when_due(should_stop=lambda: len(asked) >= 2)
    codes = [purchase.attempt.order_code for purchase in purchases]
    assert asked == codes[:2]
    asked.clear()
    reconcile()
    assert set(codes[2:]) <= set(asked)
    assert codes[0] not in asked


def test_the_timer_runs_once_in_an_interval(paid, asked, settings):
    settings.CHECKOUT_RECONCILIATION_SECONDS = 3600
    paid()
    reconcile_when_due()
    Payment.objects.update(updated_at=timezone.now())
    reconcile_when_due()
    assert len(asked) == 1
    Reconciliation.objects.update(started_at=timezone.now() - LONG_AGO)
    reconcile_when_due()
    assert len(asked) == 2


def test_more_changes_at_one_moment_than_fit_a_batch_are_all_compared(paid, asked, monkeypatch):
    monkeypatch.setattr("checkout.reconciliation.schedule.BATCH", 3)
    for _ in range(7):
        paid()
    moment = timezone.now() - LONG_AGO
    for offset, payment in enumerate(Payment.objects.all()):
        Payment.objects.filter(pk=payment.pk).update(updated_at=moment + timedelta(seconds=offset // 4))
    reconcile()
    assert len(asked) == len(set(asked)) == 7


def test_a_whole_batch_of_payments_that_were_seen_before_does_not_end_the_run(paid, asked, monkeypatch):
    """Each payment changes when it is bought, and is captured much later with all others of the day."""
    monkeypatch.setattr("checkout.reconciliation.schedule.BATCH", 4)
    bought = timezone.now() - LONG_AGO
    for number, purchase in enumerate(paid() for _ in range(4)):
        saga = Saga.objects.create(
            kind="purchase",
            key=str(number),
            payment=purchase.payment,
            attempt=purchase.attempt,
            step="s",
            status=Saga.Status.COMPLETED,
        )
        Saga.objects.filter(pk=saga.pk).update(updated_at=bought + timedelta(seconds=number))
        captured = bought + timedelta(minutes=10, seconds=number)
        Payment.objects.filter(pk=purchase.payment.pk).update(updated_at=captured)
    later = paid()
    Payment.objects.filter(pk=later.payment.pk).update(updated_at=bought + timedelta(minutes=20))
    later.books_have(captured=PAID)
    assert found(reconcile()) == {("captured", 0, PAID), ("ledger_captured", 0, PAID)}
    assert len(asked) == len(set(asked)) == 5


@pytest.mark.postgresql
def test_a_run_of_a_host_whose_clock_is_ahead_leaves_what_has_just_happened_for_later(account):
    before = timezone.now()
    with time_machine.travel(before + timedelta(hours=1)):
        run, _ = reconcile_account(account)
    assert run.started_at < before + timedelta(minutes=5)
    assert run.compared_until is None or run.compared_until < before


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_a_process_that_is_due_while_another_begins_a_run_begins_none(settings):
    settings.CHECKOUT_PROVIDER_CREDENTIALS = {ACCOUNT: {}}
    account = an_account()

    def begin() -> object:
        ProviderAccount.objects.select_for_update().get(pk=account.pk)
        return Reconciliation.objects.create(account=account, started_at=timezone.now())

    behind(begin, reconcile_when_due)
    assert Reconciliation.objects.count() == 1
