"""The addresses of the API. Those of webhook endpoints and deliveries belong after the events."""

from django.urls import path, register_converter
from django.urls.converters import StringConverter

from checkout.api.description.document import openapi
from checkout.api.requests.view import endpoint
from checkout.api.resources import events, operations, payments


class PaymentId(StringConverter):
    """The only form of a payment's id, so that no other text reaches the database."""

    regex = r"pay_[0-9a-f]{32}"


class OperationId(StringConverter):
    """The only form of an operation's id."""

    regex = r"op_[0-9a-f]{32}"


class EventId(StringConverter):
    """The only form of an event's id."""

    regex = r"evt_[0-9a-f]{32}"


register_converter(PaymentId, "payment_id")
register_converter(OperationId, "operation_id")
register_converter(EventId, "event_id")

app_name = "api"
urlpatterns = [
    path("openapi.json", openapi, name="openapi"),
    path("payments", endpoint(payments.Payments), name="payments"),
    path("payments/by-order", endpoint(payments.PaymentByOrder), name="payment_by_order"),
    path("payments/<payment_id:reference>", endpoint(payments.OnePayment), name="payment"),
    path("payments/<payment_id:reference>/cancel", endpoint(payments.PaymentCancel), name="cancel"),
    path("payments/<payment_id:reference>/capture", endpoint(operations.PaymentCapture), name="capture"),
    path("payments/<payment_id:reference>/void", endpoint(operations.PaymentVoid), name="void"),
    path("payments/<payment_id:reference>/refund", endpoint(operations.PaymentRefund), name="refund"),
    path(
        "payments/<payment_id:reference>/operations",
        endpoint(operations.PaymentOperations),
        name="operations",
    ),
    path("operations/<operation_id:reference>", endpoint(operations.OneOperation), name="operation"),
    path("events", endpoint(events.Events), name="events"),
    path("events/<event_id:reference>", endpoint(events.OneEvent), name="event"),
]
