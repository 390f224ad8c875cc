"""A paid order that could not be confirmed waits for staff, who resume its purchase or refund it."""

import pytest

from checkout.payments.models import Operation, Payment, Saga
from checkout.states import PaymentState
from messaging.envelope import Reply
from tests.payments.service.asking import operation_on
from tests.payments.service.replying import answered, commands_of, reply_to
from tests.payments.service.test_orchestrator import Status, capturing, child_of, purchase, resume, settle

__all__ = ["capturing", "purchase"]

pytestmark = pytest.mark.django_db


@pytest.fixture
def unconfirmed(capturing: Saga) -> Saga:
    """Return a purchase whose money is captured, and whose stock was sold to another shopper meanwhile."""
    settle(Operation.State.PENDING)
    answered(child_of(capturing), outcome="pending")
    settle(Operation.State.DONE)
    Payment.objects.update(state=PaymentState.CAPTURED)
    reply_to(capturing, Reply.failure("out_of_stock", "It has been sold to others since."))
    assert (capturing.step, capturing.status) == ("confirm_order", Status.PARKED)
    return capturing


def also_captured(saga: Saga, minor: int, state: Operation.State) -> None:
    capture = operation_on(saga.attempt, Operation.Kind.CAPTURE, minor)
    Operation.objects.filter(pk=capture.pk).update(state=state)


def refund(saga: Saga, minor: int, state: PaymentState) -> None:
    refund = operation_on(saga.attempt, Operation.Kind.REFUND, minor)
    Operation.objects.filter(pk=refund.pk).update(state=Operation.State.DONE)
    Payment.objects.update(state=state)


def test_an_order_that_could_not_be_confirmed_is_called_off_once_its_money_was_given_back(unconfirmed):
    refund(unconfirmed, 1250, PaymentState.REFUNDED)
    assert commands_of(resume(unconfirmed)) == ["orders.cancel"]
    assert commands_of(answered(unconfirmed)) == [], "nothing is sold, and no receipt is sent"
    assert unconfirmed.status == Status.COMPENSATED
    assert Payment.objects.get().state == PaymentState.REFUNDED


@pytest.mark.parametrize(
    ("minor", "state"), [(0, PaymentState.CAPTURED), (250, PaymentState.PARTIALLY_REFUNDED)]
)
def test_an_order_whose_money_is_kept_is_tried_again(unconfirmed, minor, state):
    if minor:
        refund(unconfirmed, minor, state)
    assert commands_of(resume(unconfirmed)) == ["orders.confirm"]
    assert "notifications.send_receipt" in commands_of(answered(unconfirmed))
    assert unconfirmed.status == Status.COMPLETED


def test_an_order_of_which_more_is_being_taken_is_not_called_off(unconfirmed):
    refund(unconfirmed, 1250, PaymentState.REFUNDED)
    also_captured(unconfirmed, 100, Operation.State.PENDING)
    assert commands_of(resume(unconfirmed)) == ["orders.confirm"]
