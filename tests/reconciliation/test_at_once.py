"""Several inquiries wait for their answers at the same time, as many as the account allows."""

import threading

import pytest

from checkout.errors import ProviderUnavailable
from checkout.payments.models import Attempt, ProviderAccount, Reconciliation
from checkout.states import AttemptState
from tests.reconciliation.conftest import PAID
from tests.reconciliation.finding import found
from tests.support.reconciling import reconcile

AT_ONCE = 4
PATIENCE_SECONDS = 20


@pytest.fixture(autouse=True)
def several(account):
    ProviderAccount.objects.update(options={"inquiries_at_once": str(AT_ONCE)})


class Desk:
    """A provider that answers only when the permitted number of requests wait, and notes if more do."""

    def __init__(self) -> None:
        self._barrier = threading.Barrier(AT_ONCE)
        self._lock = threading.Lock()
        self._waiting = 0
        self.most = 0

    def arrives(self) -> None:
        with self._lock:
            self._waiting += 1
            self.most = max(self.most, self._waiting)
        self._barrier.wait(PATIENCE_SECONDS)

    def leaves(self) -> None:
        with self._lock:
            self._waiting -= 1


def test_as_many_inquiries_wait_at_once_as_the_account_allows_and_no_more(paid, books):
    for _ in range(2 * AT_ONCE):
        paid()
    desk = Desk()
    books.scenarios.before("inquire", desk.arrives)
    books.scenarios.meanwhile("inquire", desk.leaves)
    assert reconcile() == []
    assert desk.most == AT_ONCE
    assert Reconciliation.objects.get().compared == 2 * AT_ONCE


def test_answers_that_come_together_are_compared_each_with_its_own_payment(paid):
    purchases = [paid() for _ in range(3 * AT_ONCE)]
    wrong = purchases[:: AT_ONCE - 1]
    Attempt.objects.filter(pk__in=[each.attempt.pk for each in wrong]).update(state=AttemptState.REFUSED)
    differences = reconcile()
    assert {each.payment for each in differences} == {each.payment for each in wrong}
    assert found(differences) == {("authorised", 0, PAID)}


def test_a_provider_that_is_away_is_asked_little_more_than_one_by_one(paid, books, asked):
    for _ in range(5 * AT_ONCE):
        paid()
    books.scenarios.answer("inquire", ProviderUnavailable("No connection."))
    reconcile()
    assert len(asked) < 3 * AT_ONCE
    assert Reconciliation.objects.get().unanswered == 5
