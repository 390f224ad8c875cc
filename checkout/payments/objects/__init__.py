"""The objects that integrators see, the same in answers of the API, in events and in webhooks.

Amounts are integer minor units of the object's currency. Times are ISO 8601 in UTC. An object is built from
rows that the caller has read. If the payment is locked, the object shows the state that the transaction will
commit.
"""

from checkout.payments.objects.attempt import AttemptObject, AttemptStatus, attempt_object
from checkout.payments.objects.event import (
    EventData,
    EventObject,
    OperationEventData,
    PaymentEventData,
    ThinEventObject,
    ThinWebhookEventObject,
    WebhookEventObject,
    event_object,
    webhook_object,
)
from checkout.payments.objects.nested import Action, CardObject, ErrorObject, NextAction
from checkout.payments.objects.operation import (
    OperationKind,
    OperationObject,
    OperationState,
    operation_object,
)
from checkout.payments.objects.payment import (
    AmountsObject,
    LineObject,
    PaymentObject,
    PaymentStatus,
    payment_object,
    payment_objects,
)

__all__ = [
    "Action",
    "AmountsObject",
    "AttemptObject",
    "AttemptStatus",
    "CardObject",
    "ErrorObject",
    "EventData",
    "EventObject",
    "LineObject",
    "NextAction",
    "OperationEventData",
    "OperationKind",
    "OperationObject",
    "OperationState",
    "PaymentEventData",
    "PaymentObject",
    "PaymentStatus",
    "ThinEventObject",
    "ThinWebhookEventObject",
    "WebhookEventObject",
    "attempt_object",
    "event_object",
    "operation_object",
    "payment_object",
    "payment_objects",
    "webhook_object",
]
