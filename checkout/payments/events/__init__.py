"""Events about payments, attempts and operations for merchants' programs.

Every change of state goes through the functions of ``changes``, which write the event in the transaction of
the change. So every change has its event, and every event its change.
"""

from checkout.payments.events.changes import (
    move_attempt,
    move_operation,
    move_payment,
    open_attempt,
    open_operation,
    open_operation_once,
    open_payment_once,
)
from checkout.payments.events.recording import MOST_BYTES, EventDraft, record_event
from checkout.payments.events.types import EVENT_TYPES, object_of

__all__ = [
    "EVENT_TYPES",
    "MOST_BYTES",
    "EventDraft",
    "move_attempt",
    "move_operation",
    "move_payment",
    "object_of",
    "open_attempt",
    "open_operation",
    "open_operation_once",
    "open_payment_once",
    "record_event",
]
