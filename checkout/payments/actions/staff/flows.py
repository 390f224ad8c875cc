"""Actions for staff only: have a conflict reviewed, accept a payment, note something, resume a saga."""

from django.db import transaction

from checkout.errors import IllegalTransition, OperationRejected
from checkout.payments.checkout_messages import ResumeSaga, ReviewPayment
from checkout.payments.locking import get_payment_for_update
from checkout.payments.models import Fact, Payment, Saga
from checkout.payments.models.messages import send_to_checkout
from checkout.payments.models.payment import UNAUTHENTICATED
from checkout.payments.models.saga import ASKING
from checkout.payments.sagas.asking import REVIEW
from checkout.payments.sagas.operations.parking import obstacle_to_sending
from checkout.payments.sagas.settlement.returned_money import obstacle_to_confirming
from checkout.privacy.scrubbing import scrub_note
from checkout.states import Actor, PaymentState

# The kind of the fact that staff accept an authorisation without authentication.
UNAUTHENTICATED_ACCEPTED = "unauthenticated_accepted_by"
# The kind of the fact that records a note of staff for their colleagues.
NOTED = "noted_by"


@transaction.atomic
def review_payment(reference: str, *, by: str, reason: str) -> None:
    """Have the provider asked about a conflicted payment.

    If its answer and our operations agree, the payment follows them. If the provider does not answer, or the
    conflict remains, a fact of the payment says so. Raises ``PaymentNotFound``, ``IllegalTransition`` for a
    payment in any other state, ``OperationRejected`` while the provider is being asked already.
    """
    payment = get_payment_for_update(reference)
    if payment.state != PaymentState.CONFLICTED:
        raise IllegalTransition(f"A payment that is {payment.state} contradicts nothing.")
    if payment.sagas.filter(kind=ASKING, step=REVIEW, status=Saga.Status.RUNNING).exists():
        raise OperationRejected("The provider is just being asked. Wait for its answer.")
    data = {"by": by, "reason": scrub_note(reason)}
    Fact.objects.create(payment=payment, source=Actor.STAFF, kind="review_requested_by", data=data)
    send_to_checkout(ReviewPayment(payment=payment.reference), payment.reference)


@transaction.atomic
def accept_unauthenticated(reference: str, *, by: str, reason: str) -> None:
    """Record that staff accept a payment that was authorised although 3-D Secure had failed.

    The payment no longer needs attention for that reason; nothing else changes. Raises ``PaymentNotFound``,
    and ``OperationRejected`` if no attempt of the payment was authorised without authentication.
    """
    payment = get_payment_for_update(reference)
    attempt = payment.attempts.filter(UNAUTHENTICATED).first()
    if attempt is None:
        raise OperationRejected("Nothing of this payment is held without authentication.")
    data = {"by": by, "reason": scrub_note(reason)}
    Fact.objects.create(
        payment=payment, attempt=attempt, source=Actor.STAFF, kind=UNAUTHENTICATED_ACCEPTED, data=data
    )


def note_payment(payment: Payment, *, by: str, note: str) -> None:
    """Record a note about a payment, for colleagues. It is never changed, but erased with personal data."""
    Fact.objects.create(
        payment=payment, source=Actor.STAFF, kind=NOTED, data={"by": by}, text=scrub_note(note)
    )


@transaction.atomic
def resume_saga(saga_pk: int, *, by: str) -> None:
    """Resume a parked saga: the step at which it was parked is carried out again.

    Raises ``OperationRejected`` if there is no such saga, if it is not parked, if it would confirm an order
    whose money is being refunded or is in conflict, or if other operations have used the money of its
    operation.
    """
    saga = Saga.objects.select_related("payment").filter(pk=saga_pk).first()
    if saga is None or saga.status != Saga.Status.PARKED:
        raise OperationRejected("Only a flow that has stopped can be tried again.")
    payment = get_payment_for_update(saga.payment.reference)
    if why := obstacle_to_confirming(saga, payment) or obstacle_to_sending(saga, payment):
        raise OperationRejected(why)
    Fact.objects.create(
        payment=saga.payment,
        attempt_id=saga.attempt_id,
        source=Actor.STAFF,
        kind="saga_resumed",
        data={"by": by, "saga": saga.kind, "step": saga.step},
    )
    command = ResumeSaga(saga=saga.pk, version=saga.version)
    send_to_checkout(command, saga.payment.reference)
