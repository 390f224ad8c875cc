"""The back office: Django's admin.

Records about money can be viewed but not changed. Staff request captures, voids and refunds like all other
callers. Configuration can be edited.
"""

from checkout.backoffice.integration import api_keys, events, payment_links
from checkout.backoffice.log_in import users
from checkout.backoffice.pages import (
    appearances,
    approval_rules,
    approvals,
    attempts,
    audit,
    configuration,
    dead_letters,
    disputes,
    ledger,
    merchants,
    messages,
    notifications,
    payments,
    reconciliation,
    sagas,
    services,
)
from checkout.backoffice.webhooks import deliveries, endpoints

__all__ = [
    "api_keys",
    "appearances",
    "approval_rules",
    "approvals",
    "attempts",
    "audit",
    "configuration",
    "dead_letters",
    "deliveries",
    "disputes",
    "endpoints",
    "events",
    "ledger",
    "merchants",
    "messages",
    "notifications",
    "payment_links",
    "payments",
    "reconciliation",
    "sagas",
    "services",
    "users",
]
