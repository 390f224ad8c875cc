"""Move payments and attempts as sagas decide, and announce the changes.

A move is told by its event. Only an event that came too late is a fact, because it moved nothing.

The payment must be locked. Its attempt is locked after it, always in that order.
"""

from typing import Any

from checkout.payments.checkout_messages import ReviewOrder
from checkout.payments.events import changes
from checkout.payments.locking import locked_attempt_of
from checkout.payments.models import Fact, Operation, Payment, Saga
from checkout.payments.models.messages import send_to_checkout
from checkout.payments.sagas.definition import Decision
from checkout.payments.totals import sums_of
from checkout.states import (
    COUNTED,
    HOLDING,
    Actor,
    AttemptEvent,
    AttemptState,
    PaymentState,
    attempt_machine,
    payment_machine,
)
from messaging.compiled_queries import insert_in_batch
from messaging.worker.service import Message

# The states of a payment all of whose money may have gone back.
_ALL_GONE_BACK = (PaymentState.REFUNDED, PaymentState.CHARGED_BACK)
ENDS_OF_CONTRADICTION = ("conflict_resolved", "conflict_released")
# The moves that tell of money of which an order may have been given up.
_FOUND_HELD = ("conflict_resolved", "settled_as_held")


def group_of(payment_reference: str) -> str:
    """Return the channel-layer group to which a payment's changes are sent."""
    return f"payment.{payment_reference}"


def apply_decision(saga: Saga, payment: Payment, decision: Decision[Any], message: Message) -> bool:
    """Move the saga's attempt and the payment by the decision's transitions, then the payment by its sums.

    Return False if a transition of the payment came too late.
    """
    for step in decision.attempt_transitions:
        _move_attempt(saga, payment, step)
    reason = decision.refusal_reason
    moves = [
        move_payment_if_allowed(payment, event, Actor.SAGA, message, refusal_reason=reason)
        for event in decision.transitions
    ]
    if decision.recalculate and not _is_part_of_an_undoing(saga):
        follow_sums(payment, message)
    return all(moves)


def move_payment_if_allowed(
    payment: Payment, event: str, actor: Actor, message: Message, *, refusal_reason: str = ""
) -> bool:
    """Apply ``event`` to the locked payment and announce it.

    A payment whose money is held goes on to the state of its operations' sums in the same move. If the event
    comes too late, it is only recorded, and the result is False.
    """
    if not payment_machine.allows(payment.state, event, actor) or _is_refuted(payment, event):
        has_happened = payment_machine.has_happened(payment.state, event)
        if not has_happened:
            _record_not_applied(payment, event, actor)
        return has_happened
    then = ""
    if event in HOLDING:
        then = payment_machine.event_between(PaymentState.AUTHORISED, sums_of(payment).state, COUNTED) or ""
    changes.move_payment(payment, event, actor, then=then, refusal_reason=refusal_reason)
    push_state(payment, message)
    if event in _FOUND_HELD:
        # Money may have come back while staff were to look at the payment.
        _have_order_reviewed(payment)
    return True


def _is_refuted(payment: Payment, event: str) -> bool:
    """Return True if ``event`` follows from an answer that newer facts contradict.

    Another attempt may contradict us since then, and no event would bring that to staff any more. If an
    authorisation has expired, a part may have been captured, so that only the rest has expired.
    """
    if event in ENDS_OF_CONTRADICTION:
        return payment.attempts.filter(state=AttemptState.CONFLICTED).exists()
    return event == "authorisation_expired" and sums_of(payment).state != PaymentState.AUTHORISED


def push_state(payment: Payment, message: Message) -> None:
    """Push the payment's state to the pages that wait for it, if there may be any."""
    if not payment.is_watched:
        return
    told = {"type": "payment.changed", "payment": payment.reference, "state": payment.state}
    message.push(group_of(payment.reference), told)


def follow_sums(payment: Payment, message: Message) -> None:
    """Move the locked payment to the state of its operations' sums, unless an attempt is under way.

    If the state stays the same but the amounts have changed, an event reports the new amounts.
    """
    sums, earlier = sums_of(payment), payment.state
    target = sums.state
    kept = sums.left_to_charge_back
    is_more_kept = earlier in _ALL_GONE_BACK and kept > changes.kept_when_last_told(payment)
    if PaymentState(earlier).is_under_way:
        return
    event = payment_machine.event_between(earlier, target, COUNTED)
    if earlier == target:
        if event is not None and changes.has_untold_amounts(payment):
            changes.move_payment(payment, event, Actor.SAGA)
            push_state(payment, message)
    elif event is None:
        # Money moved after the payment had ended otherwise, or while staff look at it.
        _record_not_applied(payment, target, Actor.SAGA)
    else:
        move_payment_if_allowed(payment, event, Actor.SAGA, message)
    if is_more_kept:
        _have_order_reviewed(payment)


def _have_order_reviewed(payment: Payment) -> None:
    """Have staff decide if money came back after its order was given up.

    The purchase must be locked before the payment, so a transaction of its own looks at it.
    """
    send_to_checkout(ReviewOrder(payment=payment.reference), payment.reference)


def _is_part_of_an_undoing(saga: Saga) -> bool:
    """Return True for a void after a refused capture, during which the purchase itself moves the payment.

    If the void is refused, the sums alone would make the payment authorised again, and so count it as paid.
    """
    return saga.kind == Operation.Kind.VOID and saga.parent is not None and saga.parent.step == "void"


def _move_attempt(saga: Saga, payment: Payment, event: AttemptEvent) -> None:
    attempt = locked_attempt_of(saga)
    actor = Actor.CLOCK if event == "expired" else Actor.SAGA
    if attempt_machine.allows(attempt.state, event, actor):
        changes.move_attempt(payment, attempt, event, actor)


def _record_not_applied(payment: Payment, event: str, actor: Actor) -> None:
    insert_in_batch(
        Fact(payment=payment, source=actor, kind=f"{event}_not_applied", data={"state": payment.state})
    )
