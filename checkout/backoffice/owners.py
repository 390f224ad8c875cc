"""The merchant and the payment to which a row belongs, for each table of the back office."""

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ObjectDoesNotExist
from django.db.models import Model
from django.db.models.constants import LOOKUP_SEP

# The path from a row to the code of its merchant. A table without a path belongs to no single merchant.
MERCHANT: Mapping[str, str] = {
    "payments.Merchant": "code",
    "payments.ProviderAccount": "merchant__code",
    "payments.Appearance": "merchant__code",
    "payments.ApprovalRule": "merchant__code",
    "payments.ApprovalRequest": "merchant__code",
    "payments.HourlyFigure": "merchant__code",
    "payments.Payment": "merchant__code",
    "payments.Dispute": "merchant__code",
    "payments.DisputeRecord": "payment__merchant__code",
    "payments.Evidence": "payment__merchant__code",
    "payments.EvidenceContent": "evidence__payment__merchant__code",
    "payments.Attempt": "payment__merchant__code",
    "payments.Operation": "payment__merchant__code",
    "payments.ProviderCall": "attempt__payment__merchant__code",
    "payments.Fact": "payment__merchant__code",
    "payments.Saga": "payment__merchant__code",
    "payments.SavedCard": "merchant__code",
    "payments.PaymentLink": "merchant__code",
    "payments.Event": "merchant__code",
    "payments.ProviderNotification": "account__merchant__code",
    "payments.Reconciliation": "account__merchant__code",
    "payments.Difference": "account__merchant__code",
    "ledger.LedgerEntry": "merchant_code",
    "ledger.DailyTotal": "merchant_code",
    "orders.StockItem": "merchant_code",
    "orders.Reservation": "merchant_code",
    "api.ApiKey": "merchant",
    "api.IdempotencyRecord": "merchant",
    "webhooks.WebhookEndpoint": "merchant",
    "webhooks.Delivery": "endpoint__merchant",
    "audit.AuditEntry": "merchant",
}
# The path from a row to the reference of its payment.
_PAYMENT: Mapping[str, str] = {
    "payments.Payment": "reference",
    "payments.ApprovalRequest": "payment__reference",
    "payments.Dispute": "reference",
    "payments.Attempt": "payment__reference",
    "payments.Operation": "payment__reference",
    "payments.Saga": "payment__reference",
    "payments.SavedCard": "payment__reference",
    "payments.ProviderNotification": "payment__reference",
    "payments.Difference": "payment__reference",
    "ledger.LedgerEntry": "payment_reference",
    "payments.DeadLetter": "subject",
    "webhooks.Delivery": "payment",
}


def merchant_code(row: Model) -> str:
    """Return the code of the merchant to which ``row`` belongs; empty if it belongs to none."""
    return _follow(row, MERCHANT.get(row._meta.label, ""))


def payment_reference(row: Model) -> str:
    """Return the reference of the payment to which ``row`` belongs; empty if it belongs to none."""
    return _follow(row, _PAYMENT.get(row._meta.label, ""))


def _follow(row: Model, path: str) -> str:
    value: Any = row
    try:
        for name in filter(None, path.split(LOOKUP_SEP)):
            value = getattr(value, name)
    except (ObjectDoesNotExist, AttributeError):
        return ""
    return str(value) if path else ""
