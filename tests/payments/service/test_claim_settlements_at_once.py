"""Several people settle a notification's claim concurrently: only one decision counts.

On a database with a single writer they run one after another, which is one of the possible orders.
"""

from collections.abc import Callable

import pytest

from checkout.errors import OperationRejected
from checkout.payments.checkout_messages import ResumeSaga
from checkout.payments.models import Attempt, Fact, OutboxMessage, Saga
from checkout.payments.sagas.service import service
from messaging.envelope import Envelope
from tests.payments.service.at_once import at_once
from tests.payments.service.claiming import booked, captured, claimed, gbp, to_settle_claim
from tests.payments.service.delivering import command, deliver
from tests.support.settling import settle_claim

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = pytest.mark.parametrize("turn", range(4))


@pytest.fixture
def saga(attempt: Attempt) -> Saga:
    """Return the parked saga about a charge-back, for a payment with 10.00 GBP captured."""
    return claimed(captured(attempt))


def word_of(saga: Saga, person: str, *, is_true: bool) -> Callable[[], str]:
    def say() -> str:
        try:
            amount = gbp(300) if is_true else None
            settle_claim(saga.pk, is_true=is_true, amount=amount, by=person, reason="x")
        except OperationRejected:
            return "rejected"
        return "taken"

    return say


def delivered(envelope: Envelope) -> Callable[[], object]:
    return lambda: deliver(service, envelope)


@ROUNDS
def test_one_of_many_who_decide_at_once_is_heard(saga, turn):
    words = [word_of(saga, f"clerk {each}", is_true=each % 2 == 0) for each in range(8)]
    assert sorted(at_once(*words)) == ["rejected"] * 7 + ["taken"]
    assert Fact.objects.filter(kind="claim_settled_by").count() == 1
    assert OutboxMessage.objects.filter(type="checkout.settle_books").count() == 1


@ROUNDS
def test_opposite_decisions_at_once_are_carried_out_as_one_of_them(saga, turn):
    decisions = [
        delivered(to_settle_claim(saga, is_true=is_true, amount=gbp(300) if is_true else None))
        for is_true in (True, False) * 3
    ]
    at_once(*decisions)
    saga.refresh_from_db()
    assert saga.status == Saga.Status.COMPLETED
    assert booked() in ([("charge_back", 300)], [])
    assert Fact.objects.filter(kind="claim_settled_by_not_applied").count() == 5


@ROUNDS
def test_the_second_of_two_claims_that_are_booked_at_once_is_looked_at_again(saga, attempt, turn):
    other = claimed(attempt, event_id="e-2")
    decisions = [to_settle_claim(each, is_true=True, amount=gbp(600)) for each in (saga, other)]
    at_once(*map(delivered, decisions))
    assert booked() == [("charge_back", 600)]
    assert Saga.objects.filter(kind="asking", status=Saga.Status.PARKED).count() == 1


@ROUNDS
def test_a_decision_and_a_new_try_at_once_are_carried_out_as_one_of_them(saga, turn):
    again = command(ResumeSaga(saga=saga.pk, version=saga.version))
    decision = to_settle_claim(saga, is_true=True, amount=gbp(300))
    at_once(delivered(decision), delivered(again))
    saga.refresh_from_db()
    expected = {Saga.Status.COMPLETED: [("charge_back", 300)], Saga.Status.RUNNING: []}
    assert booked() == expected[saga.status]
