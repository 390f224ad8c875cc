"""The end of a difference: the books agree, or a person has dealt with it."""

import pytest
from django.utils import timezone

from checkout.payments.actions import deal_with_difference
from checkout.payments.models import Attempt, Difference, Payment
from checkout.states import AttemptState
from tests.reconciliation.conftest import PAID
from tests.reconciliation.finding import again, found
from tests.support.memory_provider.order import Manners
from tests.support.reconciling import reconcile


def still_open():
    return set(Difference.objects.filter(resolved_at=None).values_list("kind", flat=True))


def deal_with_all():
    for difference in Difference.objects.filter(resolved_at=None, dealt_with_at=None):
        deal_with_difference(difference.pk, by="ann", note="Paid back by cheque")


def test_when_sums_are_told_no_more_a_difference_ends_with_our_books_at_what_was_told_last(paid):
    purchase = paid()
    purchase.books_have(captured=1000)
    assert found(reconcile()) == {("captured", 0, 1000), ("ledger_captured", 0, 1000)}
    purchase.order.manners = Manners(tells_position=False)
    reconcile()
    assert "captured" in still_open()
    purchase.operation("capture", 1000)
    assert reconcile() == []
    assert still_open() == set()


def test_our_books_at_another_sum_than_was_told_last_leave_a_difference_open(paid):
    purchase = paid()
    purchase.books_have(captured=1000)
    reconcile()
    purchase.order.manners = Manners(tells_position=False)
    purchase.operation("capture", 999)
    reconcile()
    assert still_open() == {"captured"}


def test_a_difference_of_the_ledger_ends_though_the_shopper_has_tried_again(paid):
    purchase = paid()
    purchase.operation("capture", PAID)
    purchase.books_have(captured=PAID)
    purchase.post("captured", "op_twice", 5)
    reconcile()
    assert still_open() == {"ledger_captured", "ledger_in_process"}
    purchase.try_again()
    assert len(reconcile()) == 2
    assert Difference.objects.count() == 2
    purchase.post("captured", "op_back", -5)
    assert reconcile() == []
    assert still_open() == set()


def test_what_was_dealt_with_is_neither_reported_nor_asked_about_again(paid, asked):
    paid()
    Attempt.objects.update(state=AttemptState.REFUSED)
    reconcile()
    deal_with_all()
    asked.clear()
    assert reconcile() == []
    assert asked == []
    assert again() == set(), "it is compared once more, and is the same"
    assert Difference.objects.get().dealt_with_by == "ann"


@pytest.mark.usefixtures("shown_at_once")
def test_another_sum_than_the_one_that_was_dealt_with_waits_for_staff_again(paid):
    purchase = paid()
    purchase.operation("capture", PAID)
    purchase.books_have(captured=PAID - 1)
    reconcile()
    deal_with_all()
    purchase.books_have(captured=PAID - 2)
    Payment.objects.update(updated_at=timezone.now())
    assert ("captured", PAID, PAID - 2) in found(reconcile())
    row = Difference.objects.get(kind="captured")
    assert (row.dealt_with_at, row.dealt_with_by, row.dealt_with_note) == (None, "", "")
    assert purchase.payment.facts.filter(kind="books_differ").count() == 4


def test_books_that_agree_end_what_was_dealt_with(paid):
    purchase = paid()
    purchase.operation("capture", PAID)
    purchase.books_have(captured=PAID - 1)
    reconcile()
    deal_with_all()
    purchase.books_have(captured=PAID)
    assert again() == set()
    assert still_open() == set()


def test_an_unknown_order_that_was_dealt_with_is_asked_about_no_more(stranger, asked):
    stranger(timezone.now())
    reconcile()
    deal_with_all()
    asked.clear()
    assert reconcile() == []
    assert asked == []
