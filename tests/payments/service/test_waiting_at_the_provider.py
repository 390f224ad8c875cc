"""Captures and refunds that may be waiting at the provider, where no inquiry shows them."""

import pytest

from checkout.payments.models import Attempt, Operation, OutboxMessage, Payment, Saga
from checkout.payments.sagas.service import service
from checkout.states import PaymentState
from messaging.envelope import Envelope
from tests.payments.service.asking import operation_on, settle
from tests.payments.service.delivering import deliver
from tests.payments.service.replying import answered, notified
from tests.payments.service.settling import authorised, saga_of, started

pytestmark = pytest.mark.django_db

Kind, State = Operation.Kind, Operation.State


@pytest.fixture
def waiting(attempt: Attempt) -> Operation:
    """Return a capture without an answer, whose saga is parked as the provider's answers decide nothing."""
    operation = operation_on(authorised(attempt), Kind.CAPTURE)
    started(operation)
    saga = saga_of(operation)
    settle(operation, State.UNKNOWN)
    answered(saga, outcome="unknown")
    while saga.status != Saga.Status.PARKED:
        answered(saga, outcome="undecided")
    return operation


def told(operation: Operation, event: str, *, is_proven: bool = True) -> None:
    """Deliver an event of the order that names no operation, and the resulting messages in the outbox."""
    notified(operation.attempt, event, is_proven=is_proven)
    for row in OutboxMessage.objects.filter(type="checkout.resume_saga"):
        body = row.body.encode()
        headers = {"subject": row.subject}
        deliver(service, Envelope(type=row.type, body=body, message_id=row.message_id, headers=headers))


@pytest.mark.parametrize("event", ["captured", "settled", "expired", "cancelled"])
def test_a_proven_event_of_the_order_that_names_nothing_has_the_provider_asked_again(waiting, event):
    told(waiting, event)
    saga = saga_of(waiting)
    assert (saga.status, saga.step) == (Saga.Status.RUNNING, "inquire")


@pytest.mark.parametrize(("event", "is_proven"), [("captured", False), ("authorised", True)])
def test_a_hint_or_the_authorisation_says_nothing_of_it(waiting, event, is_proven):
    told(waiting, event, is_proven=is_proven)
    assert saga_of(waiting).status == Saga.Status.PARKED


def test_what_the_provider_has_accepted_is_left_to_staff(waiting):
    settle(waiting, State.PENDING)
    told(waiting, "settled")
    assert saga_of(waiting).status == Saga.Status.PARKED


def test_what_is_shown_then_is_done_without_staff(waiting):
    told(waiting, "settled")
    settle(waiting, State.DONE)
    answered(saga_of(waiting), outcome="approved")
    assert saga_of(waiting).status == Saga.Status.COMPLETED
    assert Payment.objects.get().state == PaymentState.CAPTURED
