"""Apply the transitions that sagas decide to payments and attempts, and announce the changes.

An event records each change. If a transition comes too late and changes nothing, a fact records it instead.

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

# The states of a payment whose money may all have gone back.
_ALL_GONE_BACK = (PaymentState.REFUNDED, PaymentState.CHARGED_BACK)
ENDS_OF_CONTRADICTION = ("conflict_resolved", "conflict_released")
# The events after which an order may turn out to have been given up although its payment holds money.
_FOUND_HELD = ("conflict_resolved", "settled_as_held")


def group_of(payment_reference: str) -> str:
    """Return the channel-layer group that gets the changes of a payment."""
    return f"payment.{payment_reference}"


def apply_decision(saga: Saga, payment: Payment, decision: Decision[Any], message: Message) -> bool:
    """Apply the decision's transitions to the attempt and the payment, then move the payment by its sums.

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
    comes too late, a fact records it, and False is returned. If it has happened already, True is returned.
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
        # Money may have come back while the payment waited for staff.
        _have_order_reviewed(payment)
    return True


def _is_refuted(payment: Payment, event: str) -> bool:
    """Return True if ``event`` follows from an answer that newer facts contradict.

    Since that answer, another attempt may have become conflicted, and no later event would show this to
    staff. If an authorisation has expired, a part may have been captured, so that only the rest has expired.
    """
    if event in ENDS_OF_CONTRADICTION:
        return payment.attempts.filter(state=AttemptState.CONFLICTED).exists()
    return event == "authorisation_expired" and sums_of(payment).state != PaymentState.AUTHORISED


def push_state(payment: Payment, message: Message) -> None:
    """Push the payment's state to the pages that wait for it. Do nothing if no page can be waiting."""
    if not payment.is_watched:
        return
    told = {"type": "payment.changed", "payment": payment.reference, "state": payment.state}
    message.push(group_of(payment.reference), told)


def follow_sums(payment: Payment, message: Message) -> None:
    """Move the locked payment to the state that its operations' sums give, unless an attempt is running.

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
        # Money moved although the payment had ended in another way, or waits for staff.
        _record_not_applied(payment, target, Actor.SAGA)
    else:
        move_payment_if_allowed(payment, event, Actor.SAGA, message)
    if is_more_kept:
        _have_order_reviewed(payment)


def _have_order_reviewed(payment: Payment) -> None:
    """Have staff decide if money came back after its order was given up.

    A separate transaction checks it, because the purchase must be locked before the payment.
    """
    send_to_checkout(ReviewOrder(payment=payment.reference), payment.reference)


def _is_part_of_an_undoing(saga: Saga) -> bool:
    """Return True for a void after a refused capture. During it, the purchase itself moves the payment.

    If the void were refused, the sums alone would make the payment authorised again, and so count it as paid.
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
