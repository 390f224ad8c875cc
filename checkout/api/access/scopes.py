"""The scopes of API keys: each request needs one of them."""

from enum import StrEnum


class Scope(StrEnum):
    """A group of actions that a key may permit."""

    PAYMENTS_READ = "payments:read"
    PAYMENTS_CREATE = "payments:create"
    PAYMENTS_CAPTURE = "payments:capture"
    PAYMENTS_REFUND = "payments:refund"
    SAVED_CARDS_READ = "saved_cards:read"
    SAVED_CARDS_OFFER = "saved_cards:offer"
    SAVED_CARDS_CHARGE = "saved_cards:charge"
    SAVED_CARDS_REMOVE = "saved_cards:remove"
    DISPUTES_WRITE = "disputes:write"
    EVENTS_READ = "events:read"
    WEBHOOKS_READ = "webhooks:read"
    WEBHOOKS_WRITE = "webhooks:write"


MEANINGS = {
    Scope.PAYMENTS_READ: "read payments and their operations",
    Scope.PAYMENTS_CREATE: "create payments, cancel those that are unpaid, and send receipts again",
    Scope.PAYMENTS_CAPTURE: "capture and void authorised payments",
    Scope.PAYMENTS_REFUND: "refund captured payments",
    Scope.SAVED_CARDS_READ: "read the cards that customers have saved",
    Scope.SAVED_CARDS_OFFER: "lead customers to a payment's page on which they can pay with their saved "
    "cards and remove them",
    Scope.SAVED_CARDS_CHARGE: "charge saved cards without the customer, together with `payments:create`",
    Scope.SAVED_CARDS_REMOVE: "remove saved cards",
    Scope.DISPUTES_WRITE: "add evidence to disputes, which `payments:read` permits to read",
    Scope.EVENTS_READ: "read events, and in them payments and operations",
    Scope.WEBHOOKS_READ: "read webhook endpoints and deliveries",
    Scope.WEBHOOKS_WRITE: "add, change and test webhook endpoints, and have deliveries sent again; an "
    "endpoint is sent payments and operations, whatever else the key permits",
}
