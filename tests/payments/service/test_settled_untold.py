"""A payment whose outcome the provider does not report, which staff settle by figures."""

import pytest

from checkout.payments.books.figures import TheirBooks
from checkout.payments.checkout_messages import PassDeadline, SubmitPayment
from checkout.payments.models import Attempt, Fact, Operation, Saga
from checkout.payments.sagas.service import service
from checkout.states import PaymentState
from tests.payments.service import settling
from tests.payments.service.asking import authorise, operation_on
from tests.payments.service.contradicting import HELD, NOTHING, books_with, refused, said
from tests.payments.service.delivering import command, deliver
from tests.payments.service.replying import answered, commands_of, state_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def purchase(attempt: Attempt) -> Saga:
    """Return a purchase whose inquiries decided nothing."""
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


@pytest.mark.parametrize(
    ("theirs", "state", "asked"),
    [
        (NOTHING, PaymentState.VOIDED, ["orders.release"]),
        (HELD, PaymentState.AUTHORISED, ["orders.confirm"]),
        (books_with(1250), PaymentState.CAPTURED, ["orders.confirm"]),
    ],
)
def test_it_is_settled_by_what_staff_found_without_ever_contradicting_us(
    attempt: Attempt, purchase: Saga, theirs: TheirBooks, state: str, asked: list[str]
):
    fate = "refused" if theirs == NOTHING else "authorised"
    delivered = deliver(service, said(attempt, theirs))
    assert [type for type in commands_of(delivered) if type.startswith("orders.")] == asked
    attempt.refresh_from_db()
    assert (attempt.state, state_of(attempt)) == (fate, state)
    purchase.refresh_from_db()
    assert purchase.status == Saga.Status.RUNNING
    told = list(attempt.payment.events.values_list("type", flat=True))
    assert told.count("payment.unknown") <= 1


def test_it_is_not_settled_while_the_provider_is_asked(attempt: Attempt, purchase: Saga):
    Saga.objects.update(status=Saga.Status.RUNNING)
    refused(attempt, HELD, "nothing to settle")
    assert not Fact.objects.filter(kind="payment_settled_by").exists()


@pytest.mark.parametrize("state", ["authorised", "refused"])
def test_an_answer_that_comes_before_the_decision_is_carried_out_is_heard_instead(
    attempt: Attempt, purchase: Saga, state: str
):
    envelope = said(attempt, HELD)
    Attempt.objects.update(state=state)
    deliver(service, envelope)
    assert Fact.objects.filter(kind="payment_settled_by_not_applied").exists()
    attempt.refresh_from_db()
    assert (attempt.state, state_of(attempt)) == (state, PaymentState.CONFIRMING)


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
