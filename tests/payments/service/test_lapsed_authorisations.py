"""The end of an authorisation that was not captured in time: its order is cancelled."""

import pytest

from checkout.payments import service as payments
from checkout.payments.checkout_messages import SubmitPayment
from checkout.payments.messages import CheckClaim
from checkout.payments.models import Attempt, Operation, Payment, Saga
from checkout.payments.sagas.service import service
from checkout.payments.totals import sums_of
from checkout.states import PaymentState
from tests.payments.service.asking import authorise, operation_on, settle
from tests.payments.service.delivering import command, deliver
from tests.payments.service.replying import answered, commands_of, notified, reply_to, state_of
from tests.support.memory_provider.books import Books, OrderState

pytestmark = pytest.mark.django_db


@pytest.fixture
def purchase(attempt: Attempt) -> Saga:
    """Return a purchase that has ended with a confirmed order, to be captured on request."""
    Payment.objects.update(captures_automatically=False)
    body = SubmitPayment(payment=attempt.payment.reference, attempt=attempt.order_code)
    deliver(service, command(body, sealed="approve"))
    saga = Saga.objects.get(kind="purchase")
    answered(saga, decision="accept")
    answered(saga, reserved=True)
    authorise(attempt, "approve")
    answered(saga, outcome="approved", event="AUTHORISED")
    answered(saga)
    assert saga.status == "completed"
    return saga


def confirmed(attempt: Attempt) -> list[str]:
    """Let the provider notify that the authorisation has expired, and confirm it. Return the commands."""
    notified(attempt, "expired")
    return commands_of(answered(Saga.objects.get(kind="asking"), outcome="confirmed", event="EXPIRED"))


def test_an_authorisation_that_has_lapsed_cancels_its_order(attempt: Attempt, purchase: Saga):
    assert confirmed(attempt) == ["orders.cancel"]
    purchase.refresh_from_db()
    assert (purchase.step, purchase.status) == ("cancel_order", "running")
    answered(purchase)
    assert purchase.status == "compensated"
    assert state_of(attempt) == PaymentState.EXPIRED


def test_the_rest_of_an_authorisation_that_has_lapsed_leaves_its_order_alone(
    attempt: Attempt, purchase: Saga
):
    settle(operation_on(attempt, Operation.Kind.CAPTURE, 500), Operation.State.DONE)
    Payment.objects.update(state=PaymentState.PARTIALLY_CAPTURED)
    assert confirmed(attempt) == []
    purchase.refresh_from_db()
    assert (purchase.step, purchase.status) == ("finished", "completed")
    assert state_of(attempt) == PaymentState.PARTIALLY_CAPTURED


@pytest.mark.parametrize("state", [Operation.State.PENDING, Operation.State.DONE])
def test_money_of_a_capture_whose_saga_has_not_heard_of_it_yet_has_not_lapsed(
    attempt: Attempt, purchase: Saga, state: str
):
    """The payments service has stored the answer, and its reply is in flight. Only the rest has lapsed."""
    settle(operation_on(attempt, Operation.Kind.CAPTURE, 500), state)
    assert state_of(attempt) == PaymentState.AUTHORISED
    assert confirmed(attempt) == []
    purchase.refresh_from_db()
    assert (purchase.step, purchase.status) == ("finished", "completed")
    assert state_of(attempt) == PaymentState.AUTHORISED


@pytest.mark.parametrize("kind", [Operation.Kind.CAPTURE, Operation.Kind.VOID])
def test_an_authorisation_lapses_once_what_was_asked_for_meanwhile_is_refused(
    attempt: Attempt, purchase: Saga, books: Books, kind: str
):
    """No second notification reports the expiry."""
    operation = operation_on(attempt, kind, 1250)
    settle(operation, Operation.State.PENDING)
    Payment.objects.update(state=sums_of(Payment.objects.get()).state)
    books.orders[attempt.order_code].state = OrderState.EXPIRED
    notified(attempt, "expired")
    question = Saga.objects.get(kind="asking")
    is_asked_about(attempt, question)
    assert question.status == Saga.Status.RUNNING
    Operation.objects.filter(pk=operation.pk).update(state=Operation.State.REFUSED)
    Payment.objects.update(state=PaymentState.AUTHORISED)
    is_asked_about(attempt, question)
    purchase.refresh_from_db()
    assert (purchase.step, purchase.status) == ("cancel_order", "running")
    assert state_of(attempt) == PaymentState.EXPIRED


def is_asked_about(attempt: Attempt, question: Saga) -> None:
    """Let the payments service answer the query."""
    body = CheckClaim(payment=attempt.payment.reference, attempt=attempt.order_code, claim="expired")
    reply_to(question, deliver(payments.service, command(body)).reply)
