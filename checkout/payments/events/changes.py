"""The changes of payments, attempts and operations, each written together with its event.

The payment must be locked, and be the one that the transaction works with. No other module writes a state.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from django.db.models.functions import Coalesce

from checkout.payments.events.recording import News, record_event
from checkout.payments.events.types import type_of_attempt, type_of_move, type_of_operation
from checkout.payments.locking import forget
from checkout.payments.models import Attempt, Event, Operation, Payment
from checkout.payments.objects.attempt import STATUSES as ATTEMPT_STATUSES, attempt_object
from checkout.payments.objects.operation import STATES, OperationObject, operation_object
from checkout.payments.objects.payment import STATUSES as PAYMENT_STATUSES, payment_object
from checkout.states import Actor
from messaging.compiled_queries import Compiled, insert, insert_unless_known, update_in_batch

# Fields that change with every change.
_ALWAYS = ("updated_at", "version")


def open_payment_once(payment: Payment) -> bool:
    """Insert a new payment, unless its order has one. Return True if it was inserted."""
    if not insert_unless_known(payment):
        return False
    record_event(payment, News(type="payment.created", object=payment_object(payment)), last=0)
    return True


def move_payment(payment: Payment, event: str, actor: Actor, *, refusal_reason: str | None = None) -> None:
    """Move the payment to the state that ``event`` leads to. Raises ``IllegalTransition``.

    Without ``refusal_reason`` that of the last refusal stays.
    """
    moved, last = _moved(payment, event, actor, refusal_reason)
    record_event(payment, moved, last=last)


def _moved(payment: Payment, event: str, actor: Actor, refusal_reason: str | None) -> tuple[News, int]:
    """Move the payment. Return the news of it, and the number of the payment's last event before that."""
    earlier = payment.state
    payment.apply(event, actor, refusal_reason=refusal_reason)
    told = payment_object(payment)
    # Those since the payment's own last event: usually none, or one of its attempt or operation.
    recent = _RECENT.all(payment.pk)
    # A payment of an earlier release has no event to compare with.
    before = next((each for each in recent if each.type.startswith("payment.")), None)
    known = dict(before.data["object"]) if before else {"state": PAYMENT_STATUSES[earlier]}
    for name in before.data.get("left_out", ()) if before else ():
        known.pop(name, None)  # left out for its length, which is no change
    changes = _changes(known, msgspec.to_builtins(told))
    last = recent[-1].sequence if recent else 0
    return News(type=type_of_move(event, earlier), object=told, changes=changes), last


# The payment's own last event and all after it, by which both its values and the last number are known.
_RECENT = Compiled(
    lambda payment: (
        Event.objects.filter(payment_id=payment)
        .filter(
            sequence__gte=Coalesce(
                Event.objects.filter(payment_id=payment, type__startswith="payment.")
                .order_by("-sequence")
                .values("sequence")[:1],
                0,
            )
        )
        .only("type", "sequence", "data")
        .order_by("sequence")
    )
)


def open_attempt(payment: Payment, attempt: Attempt, actor: Actor) -> None:
    """Insert a new attempt, with which the payment is being processed. Raises ``IllegalTransition``.

    The events of both are written together.
    """
    insert(attempt)
    forget(payment)
    started = News(type="attempt.started", object=attempt_object(attempt, payment))
    moved, last = _moved(payment, "submitted", actor, "")
    record_event(payment, started, moved, last=last)


def move_attempt(payment: Payment, attempt: Attempt, event: str, actor: Actor, *names: str) -> None:
    """Move the attempt, and save it with its fields ``names``. Raises ``IllegalTransition``.

    There is an event if its public state changes, which has fewer values.
    """
    earlier = ATTEMPT_STATUSES[attempt.state]
    attempt.apply(event, actor)
    update_in_batch(attempt, "state", *names)
    forget(payment)
    status = ATTEMPT_STATUSES[attempt.state]
    if status is not earlier:
        told = attempt_object(attempt, payment)
        record_event(payment, News(type=type_of_attempt(status), object=told, changes={"state": earlier}))


def open_operation(payment: Payment, operation: Operation) -> None:
    """Insert a new operation, with the payment's metadata below its own."""
    operation.metadata = {**payment.metadata, **operation.metadata}
    insert(operation)
    forget(payment)
    _record(payment, operation_object(operation, payment), {})


def open_operation_once(payment: Payment, operation: Operation) -> None:
    """Insert a new operation, unless its reference is known."""
    operation.metadata = {**payment.metadata, **operation.metadata}
    if insert_unless_known(operation):
        forget(payment)
        _record(payment, operation_object(operation, payment), {})


def move_operation(payment: Payment, operation: Operation, state: str, *, refusal_reason: str = "") -> None:
    """Set the operation's state, whatever it was. An issuer's movement has no state to move to."""
    earlier = {"state": STATES[operation.state], "refusal_reason": operation.refusal_reason}
    operation.state, operation.refusal_reason = state, refusal_reason
    update_in_batch(operation, "state", "refusal_reason")
    forget(payment)
    told = operation_object(operation, payment)
    if told.state != earlier["state"]:
        later = {"state": told.state, "refusal_reason": told.refusal_reason}
        _record(payment, told, _changes(earlier, later))


def _record(payment: Payment, told: OperationObject, changes: Mapping[str, Any]) -> None:
    type = type_of_operation(told.object, told.state)
    record_event(payment, News(type=type, object=told, changes=changes, operation=told.id))


def _changes(earlier: Mapping[str, Any], later: Mapping[str, Any]) -> dict[str, Any]:
    """Return the earlier values of the fields that differ. Of a part, only those of its own fields."""
    changed: dict[str, Any] = {}
    for name, value in earlier.items():
        if name in _ALWAYS or name not in later or value == later[name]:
            continue
        is_part = isinstance(value, dict) and isinstance(later[name], dict)
        changed[name] = _changes(value, later[name]) if is_part else value
    return changed
