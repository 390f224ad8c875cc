"""Events about payments for merchants' programs, as long as events are kept."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse

from checkout.backoffice.display.values import NOTHING, breakable, json_block, payment_page_link
from checkout.backoffice.row_actions import ReadOnlyAdminWithActions, Tool
from checkout.payments.models import Event, Payment


def events_tool(payment: Payment) -> Tool:
    """Return the link to a payment's events."""
    return Tool("Events", f"{reverse('admin:payments_event_changelist')}?q={payment.reference}")


@admin.register(Event)
class EventAdmin(ReadOnlyAdminWithActions):
    """The events of all payments, newest first."""

    list_display = ("what", "about", "sequence", "merchant", "created_at", "reference")
    list_select_related = ("payment", "merchant")
    list_filter = ("merchant",)
    # `get_search_results` does the search. Django shows the search box only if `search_fields` is not empty.
    search_fields = ("reference", "payment__reference")
    search_help_text = "Payment reference or event"
    fields = (
        *("type", "reference", "about", "sequence", "merchant", "operation", "created_at"),
        *("what_changed", "after_it"),
    )
    readonly_fields = ("about", "what_changed", "after_it")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Event], search_term: str
    ) -> tuple[QuerySet[Event], bool]:
        """Search for an event or a payment.

        With one condition for both, PostgreSQL would read the whole table.
        """
        word = search_term.strip()
        if not word:
            return queryset, False
        if word.startswith("evt_"):
            return queryset.filter(reference=word), False
        return queryset.filter(payment__in=Payment.objects.filter(reference=word)), False

    def tools(self, request: HttpRequest, row: Event) -> list[Tool]:
        if not request.user.has_perm("webhooks.view_delivery"):
            return []
        return [Tool("Deliveries", f"{reverse('admin:webhooks_delivery_changelist')}?q={row.reference}")]

    @admin.display(description="type", ordering="type")
    def what(self, event: Event) -> str:
        return breakable(event.type)

    @admin.display(description="payment", ordering="payment")
    def about(self, event: Event) -> str:
        return payment_page_link(event.payment)

    @admin.display(description="earlier values")
    def what_changed(self, event: Event) -> str:
        return json_block(event.changes) if event.changes else NOTHING

    @admin.display(description="object after it")
    def after_it(self, event: Event) -> str:
        return json_block(event.data.get("object", {}))
