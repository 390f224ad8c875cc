"""Write down what a verdict says: settle, refuse, doubt or adopt. Payment and attempt must be locked."""

import hashlib

from checkout.conf import conf
from checkout.payments.books.compare_events import is_rest_released
from checkout.payments.books.ours import FAILED, Ours
from checkout.payments.books.verdicts import Conclusion, Verdict
from checkout.payments.checkout_messages import ApplyProviderEvent, StartOperation
from checkout.payments.events import move_operation, open_operation
from checkout.payments.models import Attempt, Fact, Operation, Payment, PostponedComparison
from checkout.payments.models.messages import send_to_checkout
from checkout.payments.providers.base import EventKind
from checkout.privacy.scrubbing import scrub_text
from checkout.states import Actor
from messaging.compiled_queries import update_in_batch
from messaging.outbox.clock import server_time_now

State = Operation.State

_STATES = {
    Conclusion.SETTLED: State.DONE,
    Conclusion.REFUSED: State.REFUSED,
    Conclusion.ACCEPTED: State.PENDING,
    Conclusion.NOT_MADE: State.REQUESTED,
}
# Answers and notifications may arrive out of order, so an operation only moves to a state of higher rank.
_RANKS = {State.REQUESTED: 0, State.UNKNOWN: 1, State.PENDING: 2, State.DONE: 3, State.REFUSED: 3}


def apply(payment: Payment, operation: Operation, verdict: Verdict, *, is_notified: bool = False) -> None:
    """Move the operation to the state of the verdict, unless its state has the same rank or a higher one.

    A settlement or refusal also ends a doubt about the operation, unless it follows from a notification:
    notifications may arrive out of order.
    """
    state = _STATES.get(verdict.conclusion, State.UNKNOWN)
    ends_doubt = bool(operation.doubt) and state in (State.DONE, State.REFUSED) and not is_notified
    if ends_doubt:
        end_doubt(operation)
    if state != operation.state and (ends_doubt or _RANKS[state] > _RANKS[State(operation.state)]):
        reason = verdict.reason if state == State.REFUSED else ""
        move_operation(payment, operation, state, refusal_reason=reason)


def note_release(attempt: Attempt, ours: Ours, event: EventKind) -> None:
    """Record that nothing more can be captured, if the event shows that the rest was released."""
    payment = attempt.payment
    if not payment.is_rest_released and is_rest_released(ours, event):
        payment.is_rest_released = True
        update_in_batch(payment, "is_rest_released")


def doubt(operation: Operation, reason: str) -> None:
    """Record that evidence contradicts an operation from now on, for this ``reason`` (see ``ours``)."""
    operation.doubt, operation.doubted_at = reason, server_time_now()
    update_in_batch(operation, "doubt", "doubted_at")


def end_doubt(operation: Operation) -> None:
    """Record that no evidence contradicts an operation any longer."""
    if operation.doubt:
        operation.doubt, operation.doubted_at = "", None
        update_in_batch(operation, "doubt", "doubted_at")


def fail_refund(payment: Payment, refund: Operation) -> None:
    """Mark a refund as refused because it failed, perhaps weeks after it was made."""
    end_doubt(refund)
    move_operation(payment, refund, State.REFUSED, refusal_reason=FAILED)


def make_after_all(payment: Payment, refund: Operation) -> None:
    """Mark a failed refund as made. Its saga gets an event, and posts it to the ledger."""
    end_doubt(refund)
    move_operation(payment, refund, State.DONE)
    Fact.objects.create(
        payment=payment,
        attempt=refund.attempt,
        source=Actor.PROVIDER,
        kind="refund_made_after_all",
        data={"reference": scrub_text(refund.reference), "amount": str(refund.amount)},
    )
    told = ApplyProviderEvent(
        payment=payment.reference,
        attempt=refund.attempt.order_code,
        kind="refunded",
        operation=refund.reference,
    )
    send_to_checkout(told, payment.reference)


# Movements that the provider, or an issuer, made by itself


def adopt(
    attempt: Attempt,
    kind: str,
    minor: int,
    *,
    reason: str,
    by: str = "provider",
    idempotency_key: str = "",
) -> Operation:
    """Insert a movement that we did not request as a done operation. Its saga only posts it to the ledger."""
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
    """Return the idempotency key by which a notification's claim is booked once; empty if it has none.

    Only proven claims have a key: anybody may send a hint with the event id of another notification.
    """
    if not (is_proven and event_id):
        return ""
    return f"{claim}:{hashlib.sha256(event_id.encode()).hexdigest()[:40]}"


# Later comparisons, by sums, of what notifications and answers leave unclear


def compare_books_again(attempt: Attempt) -> None:
    """Have the next comparisons of books include the payment, even if it does not change.

    If staff move money in the provider's portal, and the amount equals that of one of our operations, the
    event is attributed to ours. An event with the same content as an earlier one counts as its repetition.
    The comparisons go on until the provider's queries must show the difference.
    """
    row = PostponedComparison(
        account_id=attempt.provider_account_id,
        payment_id=attempt.payment_id,
        postponed_at=server_time_now() + conf.order_lag,
    )
    # In one statement, as a comparison may delete an earlier row at any moment. Its sums stay.
    PostponedComparison.objects.bulk_create(
        [row],
        update_conflicts=True,
        unique_fields=["account", "payment"],
        update_fields=["postponed_at"],
    )
