"""A payment of which the provider does not say what became of it, which staff settle themselves."""

import pytest
from msgspec.structs import replace as with_changes

from checkout.errors import OperationRejected
from checkout.payments import service as payments
from checkout.payments.actions import put_aside
from checkout.payments.checkout_messages import PassDeadline, SubmitPayment
from checkout.payments.messages import InquirePayment
from checkout.payments.models import Attempt, Fact, Operation, OutboxMessage, Payment, Saga
from checkout.payments.sagas.service import service
from checkout.payments.sagas.settlement.reckoning import TheirBooks
from checkout.states import PaymentState
from tests.payments.service import settling
from tests.payments.service.asking import authorise, operation_on
from tests.payments.service.contradicting import HELD, NOTHING, books_with, envelope_of, said
from tests.payments.service.delivering import Delivered, command, deliver
from tests.payments.service.replying import answered, commands_of, reply_to, state_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def purchase(attempt: Attempt) -> Saga:
    """Return a purchase whose inquiries were all in vain."""
    body = SubmitPayment(payment=attempt.payment.reference, attempt=attempt.order_code)
    deliver(service, command(body, sealed="approve"))
    saga = Saga.objects.get(kind="purchase")
    answered(saga, decision="accept")
    answered(saga, reserved=True)
    authorise(attempt, "lost")
    while saga.status != Saga.Status.PARKED:
        answered(saga, outcome="unknown")
    assert (saga.step, state_of(attempt)) == ("inquire", PaymentState.CONFIRMING)
    return saga


def set_aside(attempt: Attempt, saga: Saga) -> None:
    """Put the payment aside, and let the services do what follows from that."""
    put_aside(attempt.payment.reference, by="ada", reason="It was looked up.")
    row = OutboxMessage.objects.get(type="checkout.apply_provider_event")
    [asked] = [sent for sent in deliver(service, envelope_of(row)).commands if sent.type == InquirePayment.to]
    inquired = deliver(payments.service, with_changes(asked, reply_to="test.replies.saga"))
    reply_to(saga, inquired.reply)
    attempt.refresh_from_db()


@pytest.mark.parametrize(
    ("theirs", "state", "asked"),
    [
        (NOTHING, PaymentState.VOIDED, ["orders.release"]),
        (HELD, PaymentState.AUTHORISED, ["orders.confirm"]),
        (books_with(1250), PaymentState.CAPTURED, ["orders.confirm"]),
    ],
)
def test_it_is_put_aside_and_settled_by_what_staff_found(
    attempt: Attempt, purchase: Saga, theirs: TheirBooks, state: str, asked: list[str]
):
    set_aside(attempt, purchase)
    assert (attempt.state, state_of(attempt)) == ("conflicted", PaymentState.CONFLICTED)
    assert (purchase.step, purchase.status) == ("conflicted", "parked")
    fact = Fact.objects.get(kind="put_aside_by")
    assert fact.data == {"by": "ada", "reason": "It was looked up."}
    settled: Delivered = deliver(service, said(attempt, theirs))
    assert [type for type in commands_of(settled) if type.startswith("orders.")] == asked
    assert state_of(attempt) == state


def test_it_is_not_put_aside_while_the_provider_is_asked(attempt: Attempt, purchase: Saga):
    Saga.objects.update(status=Saga.Status.RUNNING)
    with pytest.raises(OperationRejected, match="still being asked"):
        put_aside(attempt.payment.reference, by="ada", reason="It was looked up.")
    assert not Fact.objects.filter(kind="put_aside_by").exists()


@pytest.mark.parametrize("state", ["authorised", "refused", "conflicted"])
def test_it_is_not_put_aside_once_the_provider_has_said_what_became_of_it(
    attempt: Attempt, purchase: Saga, state: str
):
    Attempt.objects.update(state=state)
    with pytest.raises(OperationRejected, match="has said"):
        put_aside(attempt.payment.reference, by="ada", reason="It was looked up.")
    assert not OutboxMessage.objects.filter(type="checkout.apply_provider_event").exists()


def test_an_answer_that_comes_after_it_was_put_aside_is_left_to_staff(attempt: Attempt, purchase: Saga):
    set_aside(attempt, purchase)
    answered(purchase, outcome="approved")
    assert Payment.objects.get().state == PaymentState.CONFLICTED
    assert (purchase.step, purchase.status) == ("conflicted", "parked")


def test_a_flow_that_was_parked_at_its_deadline_still_takes_the_answer_that_it_was_waiting_for(attempt):
    operation = operation_on(settling.authorised(attempt), Operation.Kind.CAPTURE)
    settling.started(operation)
    saga = settling.saga_of(operation)
    answered(saga, outcome="unknown")
    while saga.status == Saga.Status.RUNNING:
        deliver(service, command(PassDeadline(saga=saga.pk, version=saga.version)))
        saga.refresh_from_db()
    assert saga.status == Saga.Status.PARKED
    answered(saga, outcome="approved")
    assert saga.status == Saga.Status.COMPLETED
