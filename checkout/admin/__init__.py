"""The back office: Django's admin.

What was decided about money can be looked at but not changed: staff ask for captures, voids and refunds, as
everybody else does. Configuration can be edited.
"""

from django.contrib import admin

from checkout.admin import (
    attempts,
    configuration,
    dead_letters,
    ledger,
    merchants,
    messages,
    notifications,
    payments,
    reconciliation,
    sagas,
    services,
)

__all__ = [
    "attempts",
    "configuration",
    "dead_letters",
    "ledger",
    "merchants",
    "messages",
    "notifications",
    "payments",
    "reconciliation",
    "sagas",
    "services",
]

admin.site.site_header = "Payments back office"
admin.site.site_title = "Payments back office"
admin.site.index_title = "Overview"
