"""The addresses of the API."""

from django.urls import path, register_converter

from checkout.api.answers import catalogue
from checkout.api.description.document import openapi
from checkout.api.requests.ids import IdConverter
from checkout.api.requests.view import endpoint
from checkout.api.resources import (
    clock,
    disputes,
    events,
    operations,
    payment_links,
    payments,
    saved_cards,
    webhook_deliveries,
    webhook_endpoints,
)
from checkout.described import DELIVERY, ENDPOINT, EVENT, LINK, OPERATION, PAYMENT, SAVED_CARD
from checkout.references import form_of


class PaymentId(IdConverter):
    """A path converter for the ids of payments."""

    form = form_of("pay")
    description = "The id of the payment."
    example = PAYMENT
    problem = catalogue.PAYMENT_NOT_FOUND


class OperationId(IdConverter):
    """A path converter for the ids of operations."""

    form = form_of("op")
    description = "The id of the operation."
    example = OPERATION
    problem = catalogue.OPERATION_NOT_FOUND


class EventId(IdConverter):
    """A path converter for the ids of events."""

    form = form_of("evt")
    description = "The id of the event."
    example = EVENT
    problem = catalogue.EVENT_NOT_FOUND


class EndpointId(IdConverter):
    """A path converter for the ids of webhook endpoints."""

    form = form_of("whk")
    description = "The id of the webhook endpoint."
    example = ENDPOINT
    problem = catalogue.WEBHOOK_NOT_FOUND


class DeliveryId(IdConverter):
    """A path converter for the ids of deliveries."""

    form = form_of("dlv")
    description = "The id of the delivery."
    example = DELIVERY
    problem = catalogue.WEBHOOK_NOT_FOUND


class SavedCardId(IdConverter):
    """A path converter for the ids of saved cards."""

    form = form_of("card")
    description = "The id of the saved card."
    example = SAVED_CARD
    problem = catalogue.SAVED_CARD_NOT_FOUND


class LinkId(IdConverter):
    """A path converter for the ids of payment links."""

    form = form_of("lnk")
    description = "The id of the payment link."
    example = LINK
    problem = catalogue.LINK_NOT_FOUND


register_converter(PaymentId, "payment_id")
register_converter(OperationId, "operation_id")
register_converter(EventId, "event_id")
register_converter(EndpointId, "endpoint_id")
register_converter(DeliveryId, "delivery_id")
register_converter(LinkId, "link_id")
register_converter(SavedCardId, "saved_card_id")

app_name = "api"
urlpatterns = [
    path("openapi.json", openapi, name="openapi"),
    path("payments", endpoint(payments.Payments), name="payments"),
    path("payments/by-order", endpoint(payments.PaymentByOrder), name="payment_by_order"),
    path("payments/<payment_id:reference>", endpoint(payments.OnePayment), name="payment"),
    path("payments/<payment_id:reference>/attempts", endpoint(payments.PaymentAttempts), name="attempts"),
    path("payments/<payment_id:reference>/cancel", endpoint(payments.PaymentCancel), name="cancel"),
    path(
        "payments/<payment_id:reference>/customer-session",
        endpoint(payments.PaymentCustomerSession),
        name="customer_session",
    ),
    path("payments/<payment_id:reference>/receipt", endpoint(payments.PaymentReceipt), name="receipt"),
    path("payments/<payment_id:reference>/capture", endpoint(operations.PaymentCapture), name="capture"),
    path("payments/<payment_id:reference>/void", endpoint(operations.PaymentVoid), name="void"),
    path("payments/<payment_id:reference>/refund", endpoint(operations.PaymentRefund), name="refund"),
    path("payments/<payment_id:reference>/advance-clock", endpoint(clock.PaymentClock), name="clock"),
    path(
        "payments/<payment_id:reference>/operations",
        endpoint(operations.PaymentOperations),
        name="operations",
    ),
    path("operations", endpoint(operations.Operations), name="all_operations"),
    path("operations/<operation_id:reference>", endpoint(operations.OneOperation), name="operation"),
    path("payment-links", endpoint(payment_links.PaymentLinks), name="payment_links"),
    path("payment-links/<link_id:reference>", endpoint(payment_links.OnePaymentLink), name="payment_link"),
    path("payment-links/<link_id:reference>/disable", endpoint(payment_links.DisablePaymentLink)),
    path("saved-cards", endpoint(saved_cards.SavedCards), name="saved_cards"),
    path("saved-cards/<saved_card_id:reference>", endpoint(saved_cards.OneSavedCard), name="saved_card"),
    path("disputes", endpoint(disputes.Disputes), name="disputes"),
    path("disputes/<payment_id:reference>", endpoint(disputes.OneDispute), name="dispute"),
    path("disputes/<payment_id:reference>/evidence", endpoint(disputes.DisputeEvidence), name="evidence"),
    path("events", endpoint(events.Events), name="events"),
    path("events/<event_id:reference>", endpoint(events.OneEvent), name="event"),
    path("events/<event_id:reference>/deliveries", endpoint(webhook_deliveries.DeliveriesOfEvent)),
    path("webhook-endpoints", endpoint(webhook_endpoints.WebhookEndpoints), name="webhook_endpoints"),
    path(
        "webhook-endpoints/<endpoint_id:reference>",
        endpoint(webhook_endpoints.OneWebhookEndpoint),
        name="webhook_endpoint",
    ),
    path("webhook-endpoints/<endpoint_id:reference>/ping", endpoint(webhook_endpoints.PingEndpoint)),
    path("webhook-endpoints/<endpoint_id:reference>/enable", endpoint(webhook_endpoints.EnableEndpoint)),
    path("webhook-endpoints/<endpoint_id:reference>/disable", endpoint(webhook_endpoints.DisableEndpoint)),
    path("webhook-endpoints/<endpoint_id:reference>/rotate-secret", endpoint(webhook_endpoints.RotateSecret)),
    path(
        "webhook-endpoints/<endpoint_id:reference>/deliveries",
        endpoint(webhook_deliveries.DeliveriesOfEndpoint),
    ),
    path("webhook-endpoints/<endpoint_id:reference>/resend", endpoint(webhook_deliveries.ResendEvents)),
    path("deliveries/<delivery_id:reference>", endpoint(webhook_deliveries.OneDelivery), name="delivery"),
    path("deliveries/<delivery_id:reference>/resend", endpoint(webhook_deliveries.ResendDelivery)),
]
