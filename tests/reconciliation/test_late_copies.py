"""Queries that the provider answers from a copy of its books, which does not show the latest events yet."""

from datetime import timedelta

import time_machine
from django.utils import timezone

from checkout.conf import conf
from checkout.payments.models import Operation, Payment, Reconciliation
from tests.reconciliation.conftest import PAID
from tests.reconciliation.finding import found
from tests.support.reconciling import reconcile

MINUTE = timedelta(minutes=1)


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
    with time_machine.travel(timezone.now() + 9 * MINUTE):
        assert found(reconcile()) == {("refunded", 0, 300), ("ledger_refunded", 0, 300)}


def test_no_mark_passes_a_change_that_may_not_show_yet(paid, asked):
    purchase = paid()
    changed(purchase, conf.settling_time + conf.modification_lag - MINUTE)
    reconcile()
    assert Reconciliation.objects.get().compared_until < timezone.now() - conf.modification_lag
    asked.clear()
    with time_machine.travel(timezone.now() + 2 * MINUTE):
        reconcile()
        assert len(asked) == 1
        reconcile()
        assert len(asked) == 1, "the books agreed when everything had to show"
