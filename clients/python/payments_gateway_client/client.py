# Made by python -m scripts.clients.python from docs/openapi.yaml. Do not edit.
"""The methods of the API, for programs that wait and for those with an event loop."""

from collections.abc import AsyncIterator, Iterator
from typing import Unpack

from payments_gateway_client import models
from payments_gateway_client.transport import AsyncTransport, Call, Transport, quoted

API_VERSION = "2026-12-01"


class Client(Transport):
    """A client that waits for each answer. Close it, or use it in ``with``."""

    _api_version = API_VERSION

    def list_payments(self, **query: Unpack[models.ListPaymentsQuery]) -> models.PaymentList:
        """List payments, the newest first."""
        return self.send(Call[models.PaymentList]("GET", "/payments", query=query))

    def iterate_payments(self, **query: Unpack[models.ListPaymentsQuery]) -> Iterator[models.PaymentObject]:
        """Iterate over the objects of all pages of ``list_payments``."""
        return self.pages(Call[models.PaymentList]("GET", "/payments", query=query))

    def create_payment(
        self, body: models.CreatePayment, *, idempotency_key: str, prefer: str | None = None
    ) -> models.PaymentObject:
        """Create the payment of an order, for the shopper to pay at its address or for a saved card to be
        charged."""
        return self.send(
            Call[models.PaymentObject](
                "POST", "/payments", body=body, idempotency_key=idempotency_key, prefer=prefer
            )
        )

    def find_payment(self, **query: Unpack[models.FindPaymentQuery]) -> models.PaymentObject:
        """Read a payment by the order's number."""
        return self.send(Call[models.PaymentObject]("GET", "/payments/by-order", query=query))

    def get_payment(self, reference: str, *, prefer: str | None = None) -> models.PaymentObject:
        """Read a payment; with Prefer: wait=N, wait until it is no longer being processed."""
        return self.send(Call[models.PaymentObject]("GET", f"/payments/{quoted(reference)}", prefer=prefer))

    def change_payment(self, reference: str, body: models.ChangePayment) -> models.PaymentObject:
        """Change the metadata of a payment, in any state."""
        return self.send(Call[models.PaymentObject]("PATCH", f"/payments/{quoted(reference)}", body=body))

    def list_attempts(self, reference: str, **query: Unpack[models.ListAttemptsQuery]) -> models.AttemptList:
        """List the attempts at a payment, the newest first."""
        return self.send(
            Call[models.AttemptList]("GET", f"/payments/{quoted(reference)}/attempts", query=query)
        )

    def iterate_attempts(
        self, reference: str, **query: Unpack[models.ListAttemptsQuery]
    ) -> Iterator[models.AttemptObject]:
        """Iterate over the objects of all pages of ``list_attempts``."""
        return self.pages(
            Call[models.AttemptList]("GET", f"/payments/{quoted(reference)}/attempts", query=query)
        )

    def cancel_payment(
        self, reference: str, *, idempotency_key: str, prefer: str | None = None
    ) -> models.PaymentObject:
        """Cancel an unpaid payment; if it is being paid, as soon as no money is held for it."""
        return self.send(
            Call[models.PaymentObject](
                "POST",
                f"/payments/{quoted(reference)}/cancel",
                idempotency_key=idempotency_key,
                prefer=prefer,
            )
        )

    def create_customer_session(self, reference: str) -> models.CustomerSessionObject:
        """Get an address that shows the payment's page with the saved cards of its customer."""
        return self.send(
            Call[models.CustomerSessionObject]("POST", f"/payments/{quoted(reference)}/customer-session")
        )

    def resend_receipt(self, reference: str) -> models.ReceiptObject:
        """Send the receipt of a payment to its shopper again, at most five times."""
        return self.send(Call[models.ReceiptObject]("POST", f"/payments/{quoted(reference)}/receipt"))

    def capture_payment(
        self,
        reference: str,
        body: models.Capture | None = None,
        *,
        idempotency_key: str,
        prefer: str | None = None,
    ) -> models.OperationObject:
        """Capture an amount, or all that is left."""
        return self.send(
            Call[models.OperationObject](
                "POST",
                f"/payments/{quoted(reference)}/capture",
                body=body or {},
                idempotency_key=idempotency_key,
                prefer=prefer,
            )
        )

    def void_payment(
        self,
        reference: str,
        body: models.Void | None = None,
        *,
        idempotency_key: str,
        prefer: str | None = None,
    ) -> models.OperationObject:
        """Release the authorisation."""
        return self.send(
            Call[models.OperationObject](
                "POST",
                f"/payments/{quoted(reference)}/void",
                body=body or {},
                idempotency_key=idempotency_key,
                prefer=prefer,
            )
        )

    def refund_payment(
        self,
        reference: str,
        body: models.Refund | None = None,
        *,
        idempotency_key: str,
        prefer: str | None = None,
    ) -> models.OperationObject:
        """Refund an amount, or all that is left."""
        return self.send(
            Call[models.OperationObject](
                "POST",
                f"/payments/{quoted(reference)}/refund",
                body=body or {},
                idempotency_key=idempotency_key,
                prefer=prefer,
            )
        )

    def advance_clock(self, reference: str, body: models.AdvanceClock) -> models.PaymentObject:
        """Move the time of a payment and its webhooks forward, in a try-out."""
        return self.send(
            Call[models.PaymentObject]("POST", f"/payments/{quoted(reference)}/advance-clock", body=body)
        )

    def list_operations(
        self, reference: str, **query: Unpack[models.ListOperationsQuery]
    ) -> models.OperationList:
        """List all operations of a payment, the oldest first."""
        return self.send(
            Call[models.OperationList]("GET", f"/payments/{quoted(reference)}/operations", query=query)
        )

    def list_all_operations(self, **query: Unpack[models.ListAllOperationsQuery]) -> models.OperationList:
        """List the operations of all payments, such as refunds, the newest first."""
        return self.send(Call[models.OperationList]("GET", "/operations", query=query))

    def iterate_all_operations(
        self, **query: Unpack[models.ListAllOperationsQuery]
    ) -> Iterator[models.OperationObject]:
        """Iterate over the objects of all pages of ``list_all_operations``."""
        return self.pages(Call[models.OperationList]("GET", "/operations", query=query))

    def get_operation(self, reference: str, *, prefer: str | None = None) -> models.OperationObject:
        """Read an operation; with Prefer: wait=N, wait until the provider has answered."""
        return self.send(
            Call[models.OperationObject]("GET", f"/operations/{quoted(reference)}", prefer=prefer)
        )

    def list_payment_links(self, **query: Unpack[models.ListPaymentLinksQuery]) -> models.PaymentLinkList:
        """List payment links, the newest first."""
        return self.send(Call[models.PaymentLinkList]("GET", "/payment-links", query=query))

    def iterate_payment_links(
        self, **query: Unpack[models.ListPaymentLinksQuery]
    ) -> Iterator[models.PaymentLinkObject]:
        """Iterate over the objects of all pages of ``list_payment_links``."""
        return self.pages(Call[models.PaymentLinkList]("GET", "/payment-links", query=query))

    def create_payment_link(
        self, body: models.CreatePaymentLink, *, idempotency_key: str
    ) -> models.PaymentLinkObject:
        """Create a link to send to shoppers, who can pay the amount at its address."""
        return self.send(
            Call[models.PaymentLinkObject](
                "POST", "/payment-links", body=body, idempotency_key=idempotency_key
            )
        )

    def get_payment_link(self, reference: str) -> models.PaymentLinkObject:
        """Read a payment link."""
        return self.send(Call[models.PaymentLinkObject]("GET", f"/payment-links/{quoted(reference)}"))

    def disable_payment_link(self, reference: str) -> models.PaymentLinkObject:
        """Disable a link, so that it makes no more payments; existing payments can still be paid."""
        return self.send(
            Call[models.PaymentLinkObject]("POST", f"/payment-links/{quoted(reference)}/disable")
        )

    def list_saved_cards(self, **query: Unpack[models.ListSavedCardsQuery]) -> models.SavedCardList:
        """List the cards that a customer has saved, the newest first; removed ones are left out."""
        return self.send(Call[models.SavedCardList]("GET", "/saved-cards", query=query))

    def iterate_saved_cards(
        self, **query: Unpack[models.ListSavedCardsQuery]
    ) -> Iterator[models.SavedCardObject]:
        """Iterate over the objects of all pages of ``list_saved_cards``."""
        return self.pages(Call[models.SavedCardList]("GET", "/saved-cards", query=query))

    def get_saved_card(self, reference: str) -> models.SavedCardObject:
        """Read a saved card, also after it was removed."""
        return self.send(Call[models.SavedCardObject]("GET", f"/saved-cards/{quoted(reference)}"))

    def remove_saved_card(self, reference: str) -> models.SavedCardObject:
        """Remove a saved card, so that it can never be charged again."""
        return self.send(Call[models.SavedCardObject]("DELETE", f"/saved-cards/{quoted(reference)}"))

    def list_disputes(self, **query: Unpack[models.ListDisputesQuery]) -> models.DisputeList:
        """List disputes, the newest payment first."""
        return self.send(Call[models.DisputeList]("GET", "/disputes", query=query))

    def iterate_disputes(self, **query: Unpack[models.ListDisputesQuery]) -> Iterator[models.DisputeObject]:
        """Iterate over the objects of all pages of ``list_disputes``."""
        return self.pages(Call[models.DisputeList]("GET", "/disputes", query=query))

    def get_dispute(self, reference: str) -> models.DisputeObject:
        """Read the dispute of a payment."""
        return self.send(Call[models.DisputeObject]("GET", f"/disputes/{quoted(reference)}"))

    def add_dispute_evidence(
        self, reference: str, body: models.EvidenceInput, *, idempotency_key: str
    ) -> models.DisputeObject:
        """Add a file with which the dispute is answered; the same content is kept once."""
        return self.send(
            Call[models.DisputeObject](
                "POST", f"/disputes/{quoted(reference)}/evidence", body=body, idempotency_key=idempotency_key
            )
        )

    def list_events(
        self, prefer: str | None = None, **query: Unpack[models.ListEventsQuery]
    ) -> models.EventList:
        """List events, the newest first; with Prefer: wait=N, an empty page waits for an event."""
        return self.send(Call[models.EventList]("GET", "/events", query=query, prefer=prefer))

    def iterate_events(self, **query: Unpack[models.ListEventsQuery]) -> Iterator[models.EventObject]:
        """Iterate over the objects of all pages of ``list_events``."""
        return self.pages(Call[models.EventList]("GET", "/events", query=query))

    def get_event(self, reference: str) -> models.EventObject:
        """Read an event."""
        return self.send(Call[models.EventObject]("GET", f"/events/{quoted(reference)}"))

    def list_deliveries_of_event(
        self, reference: str, **query: Unpack[models.ListDeliveriesOfEventQuery]
    ) -> models.DeliveryList:
        """List the deliveries of an event."""
        return self.send(
            Call[models.DeliveryList]("GET", f"/events/{quoted(reference)}/deliveries", query=query)
        )

    def iterate_deliveries_of_event(
        self, reference: str, **query: Unpack[models.ListDeliveriesOfEventQuery]
    ) -> Iterator[models.DeliveryObject]:
        """Iterate over the objects of all pages of ``list_deliveries_of_event``."""
        return self.pages(
            Call[models.DeliveryList]("GET", f"/events/{quoted(reference)}/deliveries", query=query)
        )

    def list_webhook_endpoints(
        self, **query: Unpack[models.ListWebhookEndpointsQuery]
    ) -> models.WebhookEndpointList:
        """List webhook endpoints, the newest first."""
        return self.send(Call[models.WebhookEndpointList]("GET", "/webhook-endpoints", query=query))

    def iterate_webhook_endpoints(
        self, **query: Unpack[models.ListWebhookEndpointsQuery]
    ) -> Iterator[models.WebhookEndpointObject]:
        """Iterate over the objects of all pages of ``list_webhook_endpoints``."""
        return self.pages(Call[models.WebhookEndpointList]("GET", "/webhook-endpoints", query=query))

    def create_webhook_endpoint(
        self, body: models.CreateWebhookEndpoint, *, idempotency_key: str
    ) -> models.NewWebhookSecretObject:
        """Create a webhook endpoint; the answer has its secret, which is shown once."""
        return self.send(
            Call[models.NewWebhookSecretObject](
                "POST", "/webhook-endpoints", body=body, idempotency_key=idempotency_key
            )
        )

    def get_webhook_endpoint(self, reference: str) -> models.WebhookEndpointObject:
        """Read a webhook endpoint, and why it is disabled if it is."""
        return self.send(Call[models.WebhookEndpointObject]("GET", f"/webhook-endpoints/{quoted(reference)}"))

    def change_webhook_endpoint(
        self, reference: str, body: models.ChangeWebhookEndpoint | None = None
    ) -> models.WebhookEndpointObject:
        """Change the fields that are given."""
        return self.send(
            Call[models.WebhookEndpointObject](
                "PATCH", f"/webhook-endpoints/{quoted(reference)}", body=body or {}
            )
        )

    def delete_webhook_endpoint(self, reference: str) -> models.DeletedWebhookEndpointObject:
        """Delete a webhook endpoint and its secrets: nothing more is sent to it."""
        return self.send(
            Call[models.DeletedWebhookEndpointObject]("DELETE", f"/webhook-endpoints/{quoted(reference)}")
        )

    def ping_webhook_endpoint(self, reference: str, *, idempotency_key: str) -> models.DeliveryObject:
        """Send a test event, of the type webhook.test."""
        return self.send(
            Call[models.DeliveryObject](
                "POST", f"/webhook-endpoints/{quoted(reference)}/ping", idempotency_key=idempotency_key
            )
        )

    def enable_webhook_endpoint(self, reference: str) -> models.WebhookEndpointObject:
        """Enable a webhook endpoint, and send its pending deliveries."""
        return self.send(
            Call[models.WebhookEndpointObject]("POST", f"/webhook-endpoints/{quoted(reference)}/enable")
        )

    def disable_webhook_endpoint(
        self, reference: str, body: models.DisableWebhookEndpoint | None = None
    ) -> models.WebhookEndpointObject:
        """Disable a webhook endpoint; its pending deliveries wait."""
        return self.send(
            Call[models.WebhookEndpointObject](
                "POST", f"/webhook-endpoints/{quoted(reference)}/disable", body=body or {}
            )
        )

    def rotate_webhook_secret(self, reference: str, *, idempotency_key: str) -> models.NewWebhookSecretObject:
        """Make a new secret, which is shown once; for a while the old secret signs as well."""
        return self.send(
            Call[models.NewWebhookSecretObject](
                "POST",
                f"/webhook-endpoints/{quoted(reference)}/rotate-secret",
                idempotency_key=idempotency_key,
            )
        )

    def list_deliveries_of_endpoint(
        self, reference: str, **query: Unpack[models.ListDeliveriesOfEndpointQuery]
    ) -> models.DeliveryList:
        """List the deliveries to an endpoint, the newest first."""
        return self.send(
            Call[models.DeliveryList](
                "GET", f"/webhook-endpoints/{quoted(reference)}/deliveries", query=query
            )
        )

    def iterate_deliveries_of_endpoint(
        self, reference: str, **query: Unpack[models.ListDeliveriesOfEndpointQuery]
    ) -> Iterator[models.DeliveryObject]:
        """Iterate over the objects of all pages of ``list_deliveries_of_endpoint``."""
        return self.pages(
            Call[models.DeliveryList](
                "GET", f"/webhook-endpoints/{quoted(reference)}/deliveries", query=query
            )
        )

    def resend_events(self, reference: str, body: models.ResendSince) -> models.ResentObject:
        """Send all events since a time again, including events that the endpoint never received."""
        return self.send(
            Call[models.ResentObject]("POST", f"/webhook-endpoints/{quoted(reference)}/resend", body=body)
        )

    def get_delivery(self, reference: str) -> models.DeliveryLogObject:
        """Read a delivery with its attempts."""
        return self.send(Call[models.DeliveryLogObject]("GET", f"/deliveries/{quoted(reference)}"))

    def resend_delivery(self, reference: str) -> models.DeliveryObject:
        """Send a delivery again with the same webhook-id, in any state."""
        return self.send(Call[models.DeliveryObject]("POST", f"/deliveries/{quoted(reference)}/resend"))


class AsyncClient(AsyncTransport):
    """A client for an event loop. Close it, or use it in ``async with``."""

    _api_version = API_VERSION

    async def list_payments(self, **query: Unpack[models.ListPaymentsQuery]) -> models.PaymentList:
        """List payments, the newest first."""
        return await self.send(Call[models.PaymentList]("GET", "/payments", query=query))

    def iterate_payments(
        self, **query: Unpack[models.ListPaymentsQuery]
    ) -> AsyncIterator[models.PaymentObject]:
        """Iterate over the objects of all pages of ``list_payments``."""
        return self.pages(Call[models.PaymentList]("GET", "/payments", query=query))

    async def create_payment(
        self, body: models.CreatePayment, *, idempotency_key: str, prefer: str | None = None
    ) -> models.PaymentObject:
        """Create the payment of an order, for the shopper to pay at its address or for a saved card to be
        charged."""
        return await self.send(
            Call[models.PaymentObject](
                "POST", "/payments", body=body, idempotency_key=idempotency_key, prefer=prefer
            )
        )

    async def find_payment(self, **query: Unpack[models.FindPaymentQuery]) -> models.PaymentObject:
        """Read a payment by the order's number."""
        return await self.send(Call[models.PaymentObject]("GET", "/payments/by-order", query=query))

    async def get_payment(self, reference: str, *, prefer: str | None = None) -> models.PaymentObject:
        """Read a payment; with Prefer: wait=N, wait until it is no longer being processed."""
        return await self.send(
            Call[models.PaymentObject]("GET", f"/payments/{quoted(reference)}", prefer=prefer)
        )

    async def change_payment(self, reference: str, body: models.ChangePayment) -> models.PaymentObject:
        """Change the metadata of a payment, in any state."""
        return await self.send(
            Call[models.PaymentObject]("PATCH", f"/payments/{quoted(reference)}", body=body)
        )

    async def list_attempts(
        self, reference: str, **query: Unpack[models.ListAttemptsQuery]
    ) -> models.AttemptList:
        """List the attempts at a payment, the newest first."""
        return await self.send(
            Call[models.AttemptList]("GET", f"/payments/{quoted(reference)}/attempts", query=query)
        )

    def iterate_attempts(
        self, reference: str, **query: Unpack[models.ListAttemptsQuery]
    ) -> AsyncIterator[models.AttemptObject]:
        """Iterate over the objects of all pages of ``list_attempts``."""
        return self.pages(
            Call[models.AttemptList]("GET", f"/payments/{quoted(reference)}/attempts", query=query)
        )

    async def cancel_payment(
        self, reference: str, *, idempotency_key: str, prefer: str | None = None
    ) -> models.PaymentObject:
        """Cancel an unpaid payment; if it is being paid, as soon as no money is held for it."""
        return await self.send(
            Call[models.PaymentObject](
                "POST",
                f"/payments/{quoted(reference)}/cancel",
                idempotency_key=idempotency_key,
                prefer=prefer,
            )
        )

    async def create_customer_session(self, reference: str) -> models.CustomerSessionObject:
        """Get an address that shows the payment's page with the saved cards of its customer."""
        return await self.send(
            Call[models.CustomerSessionObject]("POST", f"/payments/{quoted(reference)}/customer-session")
        )

    async def resend_receipt(self, reference: str) -> models.ReceiptObject:
        """Send the receipt of a payment to its shopper again, at most five times."""
        return await self.send(Call[models.ReceiptObject]("POST", f"/payments/{quoted(reference)}/receipt"))

    async def capture_payment(
        self,
        reference: str,
        body: models.Capture | None = None,
        *,
        idempotency_key: str,
        prefer: str | None = None,
    ) -> models.OperationObject:
        """Capture an amount, or all that is left."""
        return await self.send(
            Call[models.OperationObject](
                "POST",
                f"/payments/{quoted(reference)}/capture",
                body=body or {},
                idempotency_key=idempotency_key,
                prefer=prefer,
            )
        )

    async def void_payment(
        self,
        reference: str,
        body: models.Void | None = None,
        *,
        idempotency_key: str,
        prefer: str | None = None,
    ) -> models.OperationObject:
        """Release the authorisation."""
        return await self.send(
            Call[models.OperationObject](
                "POST",
                f"/payments/{quoted(reference)}/void",
                body=body or {},
                idempotency_key=idempotency_key,
                prefer=prefer,
            )
        )

    async def refund_payment(
        self,
        reference: str,
        body: models.Refund | None = None,
        *,
        idempotency_key: str,
        prefer: str | None = None,
    ) -> models.OperationObject:
        """Refund an amount, or all that is left."""
        return await self.send(
            Call[models.OperationObject](
                "POST",
                f"/payments/{quoted(reference)}/refund",
                body=body or {},
                idempotency_key=idempotency_key,
                prefer=prefer,
            )
        )

    async def advance_clock(self, reference: str, body: models.AdvanceClock) -> models.PaymentObject:
        """Move the time of a payment and its webhooks forward, in a try-out."""
        return await self.send(
            Call[models.PaymentObject]("POST", f"/payments/{quoted(reference)}/advance-clock", body=body)
        )

    async def list_operations(
        self, reference: str, **query: Unpack[models.ListOperationsQuery]
    ) -> models.OperationList:
        """List all operations of a payment, the oldest first."""
        return await self.send(
            Call[models.OperationList]("GET", f"/payments/{quoted(reference)}/operations", query=query)
        )

    async def list_all_operations(
        self, **query: Unpack[models.ListAllOperationsQuery]
    ) -> models.OperationList:
        """List the operations of all payments, such as refunds, the newest first."""
        return await self.send(Call[models.OperationList]("GET", "/operations", query=query))

    def iterate_all_operations(
        self, **query: Unpack[models.ListAllOperationsQuery]
    ) -> AsyncIterator[models.OperationObject]:
        """Iterate over the objects of all pages of ``list_all_operations``."""
        return self.pages(Call[models.OperationList]("GET", "/operations", query=query))

    async def get_operation(self, reference: str, *, prefer: str | None = None) -> models.OperationObject:
        """Read an operation; with Prefer: wait=N, wait until the provider has answered."""
        return await self.send(
            Call[models.OperationObject]("GET", f"/operations/{quoted(reference)}", prefer=prefer)
        )

    async def list_payment_links(
        self, **query: Unpack[models.ListPaymentLinksQuery]
    ) -> models.PaymentLinkList:
        """List payment links, the newest first."""
        return await self.send(Call[models.PaymentLinkList]("GET", "/payment-links", query=query))

    def iterate_payment_links(
        self, **query: Unpack[models.ListPaymentLinksQuery]
    ) -> AsyncIterator[models.PaymentLinkObject]:
        """Iterate over the objects of all pages of ``list_payment_links``."""
        return self.pages(Call[models.PaymentLinkList]("GET", "/payment-links", query=query))

    async def create_payment_link(
        self, body: models.CreatePaymentLink, *, idempotency_key: str
    ) -> models.PaymentLinkObject:
        """Create a link to send to shoppers, who can pay the amount at its address."""
        return await self.send(
            Call[models.PaymentLinkObject](
                "POST", "/payment-links", body=body, idempotency_key=idempotency_key
            )
        )

    async def get_payment_link(self, reference: str) -> models.PaymentLinkObject:
        """Read a payment link."""
        return await self.send(Call[models.PaymentLinkObject]("GET", f"/payment-links/{quoted(reference)}"))

    async def disable_payment_link(self, reference: str) -> models.PaymentLinkObject:
        """Disable a link, so that it makes no more payments; existing payments can still be paid."""
        return await self.send(
            Call[models.PaymentLinkObject]("POST", f"/payment-links/{quoted(reference)}/disable")
        )

    async def list_saved_cards(self, **query: Unpack[models.ListSavedCardsQuery]) -> models.SavedCardList:
        """List the cards that a customer has saved, the newest first; removed ones are left out."""
        return await self.send(Call[models.SavedCardList]("GET", "/saved-cards", query=query))

    def iterate_saved_cards(
        self, **query: Unpack[models.ListSavedCardsQuery]
    ) -> AsyncIterator[models.SavedCardObject]:
        """Iterate over the objects of all pages of ``list_saved_cards``."""
        return self.pages(Call[models.SavedCardList]("GET", "/saved-cards", query=query))

    async def get_saved_card(self, reference: str) -> models.SavedCardObject:
        """Read a saved card, also after it was removed."""
        return await self.send(Call[models.SavedCardObject]("GET", f"/saved-cards/{quoted(reference)}"))

    async def remove_saved_card(self, reference: str) -> models.SavedCardObject:
        """Remove a saved card, so that it can never be charged again."""
        return await self.send(Call[models.SavedCardObject]("DELETE", f"/saved-cards/{quoted(reference)}"))

    async def list_disputes(self, **query: Unpack[models.ListDisputesQuery]) -> models.DisputeList:
        """List disputes, the newest payment first."""
        return await self.send(Call[models.DisputeList]("GET", "/disputes", query=query))

    def iterate_disputes(
        self, **query: Unpack[models.ListDisputesQuery]
    ) -> AsyncIterator[models.DisputeObject]:
        """Iterate over the objects of all pages of ``list_disputes``."""
        return self.pages(Call[models.DisputeList]("GET", "/disputes", query=query))

    async def get_dispute(self, reference: str) -> models.DisputeObject:
        """Read the dispute of a payment."""
        return await self.send(Call[models.DisputeObject]("GET", f"/disputes/{quoted(reference)}"))

    async def add_dispute_evidence(
        self, reference: str, body: models.EvidenceInput, *, idempotency_key: str
    ) -> models.DisputeObject:
        """Add a file with which the dispute is answered; the same content is kept once."""
        return await self.send(
            Call[models.DisputeObject](
                "POST", f"/disputes/{quoted(reference)}/evidence", body=body, idempotency_key=idempotency_key
            )
        )

    async def list_events(
        self, prefer: str | None = None, **query: Unpack[models.ListEventsQuery]
    ) -> models.EventList:
        """List events, the newest first; with Prefer: wait=N, an empty page waits for an event."""
        return await self.send(Call[models.EventList]("GET", "/events", query=query, prefer=prefer))

    def iterate_events(self, **query: Unpack[models.ListEventsQuery]) -> AsyncIterator[models.EventObject]:
        """Iterate over the objects of all pages of ``list_events``."""
        return self.pages(Call[models.EventList]("GET", "/events", query=query))

    async def get_event(self, reference: str) -> models.EventObject:
        """Read an event."""
        return await self.send(Call[models.EventObject]("GET", f"/events/{quoted(reference)}"))

    async def list_deliveries_of_event(
        self, reference: str, **query: Unpack[models.ListDeliveriesOfEventQuery]
    ) -> models.DeliveryList:
        """List the deliveries of an event."""
        return await self.send(
            Call[models.DeliveryList]("GET", f"/events/{quoted(reference)}/deliveries", query=query)
        )

    def iterate_deliveries_of_event(
        self, reference: str, **query: Unpack[models.ListDeliveriesOfEventQuery]
    ) -> AsyncIterator[models.DeliveryObject]:
        """Iterate over the objects of all pages of ``list_deliveries_of_event``."""
        return self.pages(
            Call[models.DeliveryList]("GET", f"/events/{quoted(reference)}/deliveries", query=query)
        )

    async def list_webhook_endpoints(
        self, **query: Unpack[models.ListWebhookEndpointsQuery]
    ) -> models.WebhookEndpointList:
        """List webhook endpoints, the newest first."""
        return await self.send(Call[models.WebhookEndpointList]("GET", "/webhook-endpoints", query=query))

    def iterate_webhook_endpoints(
        self, **query: Unpack[models.ListWebhookEndpointsQuery]
    ) -> AsyncIterator[models.WebhookEndpointObject]:
        """Iterate over the objects of all pages of ``list_webhook_endpoints``."""
        return self.pages(Call[models.WebhookEndpointList]("GET", "/webhook-endpoints", query=query))

    async def create_webhook_endpoint(
        self, body: models.CreateWebhookEndpoint, *, idempotency_key: str
    ) -> models.NewWebhookSecretObject:
        """Create a webhook endpoint; the answer has its secret, which is shown once."""
        return await self.send(
            Call[models.NewWebhookSecretObject](
                "POST", "/webhook-endpoints", body=body, idempotency_key=idempotency_key
            )
        )

    async def get_webhook_endpoint(self, reference: str) -> models.WebhookEndpointObject:
        """Read a webhook endpoint, and why it is disabled if it is."""
        return await self.send(
            Call[models.WebhookEndpointObject]("GET", f"/webhook-endpoints/{quoted(reference)}")
        )

    async def change_webhook_endpoint(
        self, reference: str, body: models.ChangeWebhookEndpoint | None = None
    ) -> models.WebhookEndpointObject:
        """Change the fields that are given."""
        return await self.send(
            Call[models.WebhookEndpointObject](
                "PATCH", f"/webhook-endpoints/{quoted(reference)}", body=body or {}
            )
        )

    async def delete_webhook_endpoint(self, reference: str) -> models.DeletedWebhookEndpointObject:
        """Delete a webhook endpoint and its secrets: nothing more is sent to it."""
        return await self.send(
            Call[models.DeletedWebhookEndpointObject]("DELETE", f"/webhook-endpoints/{quoted(reference)}")
        )

    async def ping_webhook_endpoint(self, reference: str, *, idempotency_key: str) -> models.DeliveryObject:
        """Send a test event, of the type webhook.test."""
        return await self.send(
            Call[models.DeliveryObject](
                "POST", f"/webhook-endpoints/{quoted(reference)}/ping", idempotency_key=idempotency_key
            )
        )

    async def enable_webhook_endpoint(self, reference: str) -> models.WebhookEndpointObject:
        """Enable a webhook endpoint, and send its pending deliveries."""
        return await self.send(
            Call[models.WebhookEndpointObject]("POST", f"/webhook-endpoints/{quoted(reference)}/enable")
        )

    async def disable_webhook_endpoint(
        self, reference: str, body: models.DisableWebhookEndpoint | None = None
    ) -> models.WebhookEndpointObject:
        """Disable a webhook endpoint; its pending deliveries wait."""
        return await self.send(
            Call[models.WebhookEndpointObject](
                "POST", f"/webhook-endpoints/{quoted(reference)}/disable", body=body or {}
            )
        )

    async def rotate_webhook_secret(
        self, reference: str, *, idempotency_key: str
    ) -> models.NewWebhookSecretObject:
        """Make a new secret, which is shown once; for a while the old secret signs as well."""
        return await self.send(
            Call[models.NewWebhookSecretObject](
                "POST",
                f"/webhook-endpoints/{quoted(reference)}/rotate-secret",
                idempotency_key=idempotency_key,
            )
        )

    async def list_deliveries_of_endpoint(
        self, reference: str, **query: Unpack[models.ListDeliveriesOfEndpointQuery]
    ) -> models.DeliveryList:
        """List the deliveries to an endpoint, the newest first."""
        return await self.send(
            Call[models.DeliveryList](
                "GET", f"/webhook-endpoints/{quoted(reference)}/deliveries", query=query
            )
        )

    def iterate_deliveries_of_endpoint(
        self, reference: str, **query: Unpack[models.ListDeliveriesOfEndpointQuery]
    ) -> AsyncIterator[models.DeliveryObject]:
        """Iterate over the objects of all pages of ``list_deliveries_of_endpoint``."""
        return self.pages(
            Call[models.DeliveryList](
                "GET", f"/webhook-endpoints/{quoted(reference)}/deliveries", query=query
            )
        )

    async def resend_events(self, reference: str, body: models.ResendSince) -> models.ResentObject:
        """Send all events since a time again, including events that the endpoint never received."""
        return await self.send(
            Call[models.ResentObject]("POST", f"/webhook-endpoints/{quoted(reference)}/resend", body=body)
        )

    async def get_delivery(self, reference: str) -> models.DeliveryLogObject:
        """Read a delivery with its attempts."""
        return await self.send(Call[models.DeliveryLogObject]("GET", f"/deliveries/{quoted(reference)}"))

    async def resend_delivery(self, reference: str) -> models.DeliveryObject:
        """Send a delivery again with the same webhook-id, in any state."""
        return await self.send(Call[models.DeliveryObject]("POST", f"/deliveries/{quoted(reference)}/resend"))
