"""Several people and a notification settle one operation concurrently: only one of them counts.

On a database with a single writer they run one after another, which is one of the possible orders.
"""

from collections.abc import Callable

import pytest

from checkout.errors import OperationRejected
from checkout.payments.checkout_messages import ApplyProviderEvent, ResumeSaga
from checkout.payments.models import Attempt, Fact, Operation, OutboxMessage, Payment, Saga
from checkout.payments.sagas.service import service
from checkout.states import PaymentState
from messaging.envelope import Envelope
from tests.payments.service.asking import let_settle
from tests.payments.service.at_once import at_once
from tests.payments.service.delivering import command, deliver
from tests.payments.service.settling import authorised, parked, saga_of, to_settle
from tests.support.settling import settle_operation

pytestmark = pytest.mark.django_db(transaction=True)

State = Operation.State
ROUNDS = pytest.mark.parametrize("turn", range(4))


@pytest.fixture
def operation(attempt: Attempt, settings) -> Operation:
    """Return a capture without an answer, whose saga is parked."""
    settings.CHECKOUT_INQUIRY_DELAYS = [1]
    settings.CHECKOUT_PROVIDER_CREDENTIALS = {}  # so no request reaches the provider
    operation = parked(authorised(attempt), Operation.Kind.CAPTURE)
    Operation.objects.update(state=State.UNKNOWN)
    let_settle(attempt)
    return operation


def word_of(operation: Operation, person: str, *, arrived: bool) -> Callable[[], str]:
    def say() -> str:
        try:
            settle_operation(operation.reference, arrived=arrived, by=person, reason="x")
        except OperationRejected:
            return "rejected"
        return "taken"

    return say


def delivered(envelope: Envelope) -> Callable[[], list[str]]:
    return lambda: [sent.type for sent in deliver(service, envelope).commands]


@ROUNDS
def test_one_of_many_who_decide_at_once_is_heard(operation, turn):
    words = [word_of(operation, f"clerk {each}", arrived=each % 2 == 0) for each in range(8)]
    assert sorted(at_once(*words)) == ["rejected"] * 7 + ["taken"]
    assert Fact.objects.filter(kind="operation_settled_by").count() == 1
    assert OutboxMessage.objects.filter(type="checkout.settle_books").count() == 1


@ROUNDS
def test_opposite_decisions_at_once_are_carried_out_as_one_of_them(operation, turn):
    decisions = [delivered(to_settle(operation, arrived=each % 2 == 0)) for each in range(6)]
    types = [type for each in at_once(*decisions) for type in each]
    operation.refresh_from_db()
    assert sorted((types.count("payments.capture"), types.count("ledger.post"))) in ([0, 2], [0, 1])
    assert operation.state == (State.REQUESTED if "payments.capture" in types else State.DONE)
    assert Fact.objects.filter(kind="operation_settled_by_not_applied").count() == 5


@ROUNDS
def test_a_decision_a_notification_and_a_new_try_at_once_have_one_effect(operation, attempt, turn):
    Operation.objects.update(state=State.DONE)  # as the payments service does for the notification
    saga = saga_of(operation)
    told = ApplyProviderEvent(payment=attempt.payment.reference, attempt=attempt.order_code, kind="captured")
    types = [
        type
        for each in at_once(
            delivered(to_settle(operation, arrived=False)),
            delivered(command(told)),
            delivered(to_settle(operation, arrived=True)),
            delivered(command(told)),
            delivered(command(ResumeSaga(saga=saga.pk, version=saga.version))),
        )
        for type in each
    ]
    operation.refresh_from_db()
    assert operation.state == State.DONE
    assert types.count("payments.capture") == 0
    assert types.count("ledger.post") == 2, "as requested and as captured"
    assert Payment.objects.get().state == PaymentState.CAPTURED
    assert saga_of(operation).status == Saga.Status.COMPLETED


@ROUNDS
def test_a_decision_and_a_new_try_at_once_are_carried_out_as_one_of_them(operation, turn):
    saga = saga_of(operation)
    before = saga.steps.count()
    at_once(
        delivered(to_settle(operation, arrived=False)),
        delivered(command(ResumeSaga(saga=saga.pk, version=saga.version))),
        delivered(to_settle(operation, arrived=False)),
    )
    assert saga.steps.count() == before + 1
    saga.refresh_from_db()
    operation.refresh_from_db()
    expected = {"capture": State.REQUESTED, "inquire": State.UNKNOWN}
    assert operation.state == expected[saga.step]
