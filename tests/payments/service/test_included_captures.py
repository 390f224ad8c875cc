"""Captures that the provider makes with the authorisation, between the payments service and the sagas."""

import pytest

from checkout.payments.checkout_messages import SubmitPayment
from checkout.payments.models import Attempt, Event, Operation, Payment, Saga
from checkout.payments.providers.memory_books import Books
from checkout.payments.sagas.service import service
from checkout.states import PaymentState
from tests.payments.service.asking import authorise, inquire, let_settle
from tests.payments.service.delivering import Delivered, command, deliver
from tests.payments.service.replying import answered, commands_of, notified, state_of

pytestmark = pytest.mark.django_db
NAME = "op_included"


@pytest.fixture
def included(attempt: Attempt) -> Attempt:
    attempt.capture_reference = NAME
    attempt.save()
    return attempt


@pytest.fixture
def purchase(included: Attempt) -> Saga:
    """Return a purchase that waits for the provider's answer to the authorisation."""
    body = SubmitPayment(payment=included.payment.reference, attempt=included.order_code)
    deliver(service, command(body, sealed="approve"))
    saga = Saga.objects.get(kind="purchase")
    answered(saga, decision="accept")
    answered(saga, reserved=True)
    return saga


def capture() -> Saga:
    return Saga.objects.get(kind="capture")


def approved(purchase: Saga) -> Delivered:
    return answered(purchase, outcome="approved", event="AUTHORISED")


def captured_is_told(attempt: Attempt) -> None:
    """Let the payments service and the orchestrator handle a proven notification of the capture."""
    Operation.objects.filter(reference=NAME).update(state=Operation.State.DONE)
    notified(attempt, "captured", NAME)


def test_it_is_recorded_with_the_authorisation_as_accepted(included, books: Books):
    authorise(included, "approve")
    operation = Operation.objects.get()
    assert (operation.reference, operation.kind, operation.state) == (NAME, "capture", "pending")
    assert (operation.amount, operation.attempt) == (included.payment.amount, included)
    assert list(Event.objects.filter(operation=NAME).values_list("type", flat=True)) == ["capture.pending"]
    assert books.orders[included.order_code].captured == included.payment.amount


@pytest.mark.parametrize("card", ["refuse", "challenge", "unavailable"])
def test_without_an_authorisation_there_is_none(included, card):
    authorise(included, card)
    assert not Operation.objects.exists()


def test_it_is_recorded_when_an_inquiry_finds_the_authorisation(included):
    authorise(included, "unknown")
    assert not Operation.objects.exists()
    let_settle(included)
    inquire(included)
    inquire(included)
    assert Operation.objects.get().state == "pending"


def test_its_flow_begins_as_accepted_and_the_purchase_goes_on_at_once(included, purchase):
    authorise(included, "approve")
    delivered = approved(purchase)
    assert commands_of(delivered) == ["ledger.post", "orders.confirm"]
    assert (capture().step, capture().status) == ("await_provider", "running")
    assert capture().parent == purchase
    assert (purchase.step, purchase.status) == ("confirm_order", "running")
    assert purchase.awaiting
    assert purchase.deadline_at is not None
    assert state_of(included) == PaymentState.CAPTURE_PENDING


def test_a_notification_of_it_before_its_flow_begins_is_explained_and_settles_it(included, purchase):
    authorise(included, "approve")
    captured_is_told(included)
    assert not Saga.objects.filter(kind="verification").exists()
    approved(purchase)
    assert (capture().step, capture().status) == ("finished", "completed")
    assert (purchase.step, purchase.status) == ("confirm_order", "running")
    assert state_of(included) == PaymentState.CAPTURED


def test_a_notification_of_it_afterwards_settles_it(included, purchase):
    authorise(included, "approve")
    approved(purchase)
    captured_is_told(included)
    assert capture().status == "completed"
    assert state_of(included) == PaymentState.CAPTURED


def test_a_refusal_before_its_flow_begins_leaves_the_purchase_unpaid_for_staff(included, purchase):
    authorise(included, "approve")
    Operation.objects.update(state=Operation.State.REFUSED)
    approved(purchase)
    assert capture().status == "compensated"
    answered(purchase)
    assert (purchase.step, purchase.status) == ("unpaid", "parked")
    assert Payment.objects.get().state == PaymentState.AUTHORISED
