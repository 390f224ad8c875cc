"""Notifications about a conflicted attempt: only those of issuers' actions are verified."""

import pytest

from checkout.payments.books.compare_notifications import CLAIMS
from checkout.payments.checkout_messages import ResumeSaga, ReviewPayment
from checkout.payments.models import Attempt, Operation, Payment, Saga
from checkout.payments.sagas.service import service
from checkout.states import PaymentState
from tests.payments.service.asking import operation_on, settle
from tests.payments.service.delivering import command, deliver
from tests.payments.service.replying import answered, notified
from tests.payments.service.settling import saga_of, started

pytestmark = pytest.mark.django_db


@pytest.fixture
def contradicted(attempt: Attempt) -> Attempt:
    """Return a conflicted attempt."""
    attempt.state = Attempt.State.CONFLICTED
    attempt.save()
    Payment.objects.update(state=PaymentState.CONFLICTED)
    return attempt


def state() -> str:
    return Payment.objects.get().state


@pytest.mark.parametrize("claim", sorted(CLAIMS))
def test_only_actions_of_issuers_are_verified_for_a_conflicted_attempt(contradicted, claim):
    is_by_issuer = claim in ("charged_back", "charge_back_reversed")
    assert [sent.type for sent in notified(contradicted, claim).commands] == (
        ["payments.check_claim"] if is_by_issuer else []
    )


def test_a_hint_of_a_charge_back_is_asked_about_while_staff_have_the_payment_asked_about(contradicted):
    deliver(service, command(ReviewPayment(payment=contradicted.payment.reference)))
    told = notified(contradicted, "charged_back", is_proven=False)
    assert [sent.type for sent in told.commands] == ["payments.check_claim"]


def test_a_charge_back_of_a_conflicted_attempt_waits_for_staff_until_there_is_room_for_it(contradicted):
    notified(contradicted, "charged_back")
    saga = Saga.objects.get(kind="asking")
    answered(saga, outcome="unclear", why="More than is taken.")
    assert (saga.status, state()) == (Saga.Status.PARKED, PaymentState.CONFLICTED)
    deliver(service, command(ResumeSaga(saga=saga.pk, version=saga.version)))
    answered(saga, outcome="booked")
    assert (saga.status, state()) == (Saga.Status.COMPLETED, PaymentState.CONFLICTED)


def test_a_charge_back_is_booked_and_leaves_a_payment_in_conflict_to_its_review(contradicted):
    settle(operation_on(contradicted, Operation.Kind.CAPTURE), Operation.State.DONE)
    notified(contradicted, "charged_back")
    answered(Saga.objects.get(kind="asking"), outcome="booked")
    operation = operation_on(contradicted, Operation.Kind.CHARGE_BACK, 300)
    settle(operation, Operation.State.DONE)
    started(operation)
    saga = saga_of(operation)
    assert (saga.status, state()) == (Saga.Status.COMPLETED, PaymentState.CONFLICTED)
