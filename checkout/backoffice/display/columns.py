"""Columns that several tables have. Each is a mixin for an admin class."""

from typing import Any

from django.contrib import admin

from checkout.backoffice.display.values import badge, payment_link, payment_page_link


class WithState:
    """The column ``state_label``."""

    @admin.display(description="state", ordering="state")
    def state_label(self, row: Any) -> str:
        return badge(row.state)


class OfPayment:
    """The column ``payment_link`` of a table with a relation to payments."""

    @admin.display(description="payment")
    def payment_link(self, row: Any) -> str:
        return payment_page_link(row.payment)


class AboutPayment:
    """The column ``payment`` of a table of messages, whose subject is the reference of a payment."""

    @admin.display(ordering="subject")
    def payment(self, row: Any) -> str:
        return payment_link(row.subject)
