"""Several people, or staff and the product, change a conflicted payment concurrently: one change counts.

On a database with a single writer they run one after another, which is one of the possible orders.
"""

from collections.abc import Callable

import pytest
from msgspec.structs import replace as with_changes

from checkout.errors import OperationRejected
from checkout.payments.models import Attempt, Fact, Operation, OutboxMessage, Payment
from checkout.payments.sagas.service import service
from checkout.states import PaymentState
from messaging.envelope import Envelope, new_message_id
from tests.payments.service.asking import authorise
from tests.payments.service.at_once import at_once
from tests.payments.service.contradicting import books_with, conflicted, said
from tests.payments.service.delivering import deliver

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = pytest.mark.parametrize("turn", range(4))


@pytest.fixture
def aside(attempt: Attempt) -> Attempt:
    authorise(attempt, "approve")
    return conflicted(attempt)


def word_of(attempt: Attempt, person: str, *, captured: int) -> Callable[[], str]:
    def say() -> str:
        try:
            said(attempt, books_with(captured, is_held=True), by=person)
        except OperationRejected:
            return "rejected"
        return "taken"

    return say


def delivered(envelope: Envelope) -> Callable[[], object]:
    return lambda: deliver(service, with_changes(envelope, message_id=new_message_id()))


@ROUNDS
def test_one_of_many_who_decide_at_once_is_heard(aside, turn):
    words = [word_of(aside, f"clerk {each}", captured=100 * each) for each in range(8)]
    assert sorted(at_once(*words)) == ["rejected"] * 7 + ["taken"]
    assert Fact.objects.filter(kind="payment_settled_by").count() == 1
    assert OutboxMessage.objects.filter(type="checkout.settle_books").count() == 1


@ROUNDS
def test_copies_at_once_and_an_opposite_are_carried_out_as_one_of_them(aside, turn):
    decision = said(aside, books_with(500, is_held=True))
    opposite = with_changes(decision, body=decision.body.replace(b'"captured":500', b'"captured":0'))
    at_once(*(delivered(each) for each in (decision, opposite) * 3))
    assert Payment.objects.get().state in (PaymentState.AUTHORISED, PaymentState.PARTIALLY_CAPTURED)
    assert Operation.objects.count() <= 1
    assert Fact.objects.filter(kind="payment_settled_by_not_applied").count() == 5
