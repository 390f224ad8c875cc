"""Adopt a movement that the provider or an issuer made by itself. Payment and attempt must be locked."""

import hashlib

from checkout.payments.checkout_messages import StartOperation
from checkout.payments.events import open_operation
from checkout.payments.models import Attempt, Operation
from checkout.payments.models.messages import send_to_checkout


def adopt(
    attempt: Attempt,
    kind: str,
    minor: int,
    *,
    reason: str,
    by: str = "provider",
    idempotency_key: str = "",
) -> Operation:
    """Insert the movement as an operation that is done. Its saga only has to post it."""
    payment = attempt.payment
    operation = Operation(
        payment=payment,
        attempt=attempt,
        kind=kind,
        amount_minor=minor,
        currency=payment.currency,
        state=Operation.State.DONE,
        idempotency_key=idempotency_key,
        requested_by=by[:150],
        reason=reason,
    )
    open_operation(payment, operation)
    command = StartOperation(payment=payment.reference, operation=operation.reference)
    send_to_checkout(command, payment.reference)
    return operation


def key_of_claim(claim: str, event_id: str, *, is_proven: bool) -> str:
    """Return the idempotency key with which a notification's claim is booked once; empty if it has none.

    A claim that is not proven has none, as anybody may send one with the event id of another notification.
    """
    if not (is_proven and event_id):
        return ""
    return f"{claim}:{hashlib.sha256(event_id.encode()).hexdigest()[:40]}"
