"""The changes of payments, attempts and operations.

Each move of a payment is one event. It includes the latest attempt and the purchase's own operations, which
therefore have no events of their own. All other operations have events.

The payment must be locked, and must be the instance that the transaction uses. No other module writes a
state.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import msgspec
import structlog
from django.db import transaction
from django.utils import timezone

from checkout.payments.events.numbering import first_events, latest_of
from checkout.payments.events.recording import EventDraft, record_event
from checkout.payments.events.types import type_of_move, type_of_operation
from checkout.payments.locking import invalidate_rows, read_once
from checkout.payments.models import Attempt, Operation, Payment
from checkout.payments.objects.operation import STATES, operation_object
from checkout.payments.objects.payment import (
    STATUSES as PAYMENT_STATUSES,
    PaymentObject,
    payment_object,
)
from checkout.states import Actor, payment_machine
from messaging.compiled_queries import insert, insert_unless_known, update_in_batch

log = structlog.get_logger(__name__)

# Fields that every change sets.
_ALWAYS = ("updated_at", "version")
# The amounts of a payment that show movements of money.
_MOVED = ("captured", "refunded", "disputed")


def open_payment_once(payment: Payment) -> bool:
    """Insert a new payment, unless its order has one. Return True if it was inserted."""
    if not insert_unless_known(payment):
        return False
    with first_events(payment):
        record_event(payment, EventDraft(type="payment.created", object=payment_object(payment)))
    return True


def move_payment(
    payment: Payment, event: str, actor: Actor, *, then: str = "", refusal_reason: str | None = None
) -> None:
    """Move the payment to the state that ``event`` leads to, and then by the event ``then``, if given.

    Without ``refusal_reason``, the reason of the last refusal stays. Raises ``IllegalTransition``.
    """
    earlier = payment.state
    payment.apply(event, actor, then=then, refusal_reason=refusal_reason)
    told = payment_object(payment)
    before = latest_of(payment).own
    known = dict(before.data["object"]) if before else {"state": PAYMENT_STATUSES[earlier]}
    for name in before.data.get("left_out", ()) if before else ():
        known.pop(name, None)  # left out because of its length, but not changed
    changes = _changes(known, msgspec.to_builtins(told))
    amounts = changes.get("amounts", {})
    is_by_capture = "captured" in amounts and "refunded" not in amounts
    is_by_return = amounts.get("refunded", 0) > told.amounts.refunded
    if then:
        event, earlier = then, payment_machine.next(earlier, event, actor)
    type = type_of_move(event, earlier, is_by_capture=is_by_capture, is_by_return=is_by_return)
    if told.is_final and not known.get("is_final"):
        transaction.on_commit(partial(_log_end, told), robust=True)
    record_event(payment, EventDraft(type=type, object=told, changes=changes))


def _log_end(told: PaymentObject) -> None:
    log.info(
        "payment ended",
        payment=told.id,
        merchant=told.merchant,
        state=told.state,
        amount=told.amount,
        currency=told.currency,
        seconds=round((timezone.now() - told.created_at).total_seconds(), 1),
    )


def has_untold_amounts(payment: Payment) -> bool:
    """Return True if the amounts in the latest event of the payment itself are out of date."""
    now, told = payment_object(payment).amounts, _told_amounts(payment)
    return any(told.get(name, 0) != getattr(now, name) for name in _MOVED)


def kept_when_last_told(payment: Payment) -> int:
    """Return the captured amount in the payment's own last event, less refunds and disputes (minor units)."""
    told = _told_amounts(payment)
    return max(0, told.get("captured", 0) - told.get("refunded", 0) - told.get("disputed", 0))


def _told_amounts(payment: Payment) -> Mapping[str, int]:
    """Return the amounts of the payment's own last event, by name, in minor units; empty if there is none."""
    own = latest_of(payment).own
    told: Mapping[str, int] = own.data["object"].get("amounts", {}) if own else {}
    return told


def open_attempt(payment: Payment, attempt: Attempt, actor: Actor) -> None:
    """Insert a new attempt, and move the payment to "processing". Raises ``IllegalTransition``."""
    insert(attempt)
    invalidate_rows(payment)
    read_once(payment, "latest_attempt", lambda _: attempt)
    move_payment(payment, "submitted", actor, refusal_reason="")


def move_attempt(payment: Payment, attempt: Attempt, event: str, actor: Actor, *names: str) -> None:
    """Move the attempt, and save its state and the fields ``names``. Raises ``IllegalTransition``."""
    attempt.apply(event, actor)
    update_in_batch(attempt, "state", *names)
    invalidate_rows(payment)


def open_operation(payment: Payment, operation: Operation) -> None:
    """Insert a new operation. Its metadata is the payment's, updated with its own."""
    operation.metadata = {**payment.metadata, **operation.metadata}
    insert(operation)
    invalidate_rows(payment)
    _record(payment, operation, {})


def open_operation_once(payment: Payment, operation: Operation, *, order_code: str = "") -> None:
    """Insert a new operation, unless its reference is known. ``order_code`` is its attempt's, if known."""
    operation.metadata = {**payment.metadata, **operation.metadata}
    if insert_unless_known(operation):
        invalidate_rows(payment)
        _record(payment, operation, {}, order_code=order_code)


def move_operation(payment: Payment, operation: Operation, state: str, *, refusal_reason: str = "") -> None:
    """Set the operation's state, whatever it was before. Disputes, which are always done, stay unchanged."""
    earlier = {"state": STATES[operation.state], "refusal_reason": operation.refusal_reason}
    operation.state, operation.refusal_reason = state, refusal_reason
    update_in_batch(operation, "state", "refusal_reason")
    invalidate_rows(payment)
    later = {"state": STATES[state], "refusal_reason": refusal_reason}
    if later["state"] != earlier["state"]:
        _record(payment, operation, _changes(earlier, later))


def _record(
    payment: Payment, operation: Operation, changes: Mapping[str, Any], *, order_code: str = ""
) -> None:
    if operation.is_of_purchase:
        return
    told = operation_object(operation, payment, order_code=order_code)
    type = type_of_operation(told.object, told.state)
    record_event(payment, EventDraft(type=type, object=told, changes=changes, operation=told.id))


def _changes(earlier: Mapping[str, Any], later: Mapping[str, Any]) -> dict[str, Any]:
    """Return the earlier values of the fields that differ. Nested objects are compared field by field."""
    changed: dict[str, Any] = {}
    for name, value in earlier.items():
        if name in _ALWAYS or name not in later or value == later[name]:
            continue
        is_part = isinstance(value, dict) and isinstance(later[name], dict)
        changed[name] = _changes(value, later[name]) if is_part else value
    return changed
