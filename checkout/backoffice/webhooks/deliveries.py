"""Deliveries of webhooks, with their attempts and the time of the next attempt."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from checkout.backoffice.base import ModelAdmin, ReadOnlyInline
from checkout.backoffice.display.values import badge, breakable, payment_link
from checkout.backoffice.row_actions import ReadOnlyAdminWithActions, Verb
from checkout.webhooks import actions
from checkout.webhooks.models import Delivery, DeliveryAttempt
from checkout.webhooks.sending.claims import not_signed

RESEND = Verb(
    name="resend",
    label="Send again",
    explanation=(
        "The same event is sent at once with the same id, so that a program that remembers ids ignores it. "
        "If the attempt fails, the schedule of attempts starts again."
    ),
    done="It is on its way.",
    otherwise="its endpoint is disabled. Nothing was sent.",
    is_offered=lambda delivery: delivery.endpoint.is_enabled,
    carry_out=lambda delivery, by, _: actions.resend(delivery.endpoint.merchant, delivery.reference),
)


class WaitsFilter(admin.SimpleListFilter):
    """A filter for deliveries that wait for an action of staff."""

    title = "waits for staff"
    parameter_name = "waits"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin) -> list[tuple[str, str]]:
        return [("secret", "the endpoint's secret cannot be read")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> QuerySet[Delivery]:
        return queryset.filter(not_signed()) if self.value() == "secret" else queryset


class AttemptInline(ReadOnlyInline):
    model = DeliveryAttempt
    fields = ("at", "url", "status", "error", "detail", "duration_ms", "response")
    readonly_fields = fields


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdminWithActions):
    """Deliveries of events to endpoints, with the log of attempts."""

    verbs = (RESEND,)
    inlines = (AttemptInline,)
    list_display = (
        "what", "endpoint", "status", "tries", "last_result", "next_try_at", "created_at", "about",
    )  # fmt: skip
    list_select_related = ("endpoint",)
    list_filter = ("state", WaitsFilter, ("created_at", admin.DateFieldListFilter))
    search_fields = (
        "payment__exact",
        "event__exact",
        "reference__exact",
        "endpoint__reference__exact",
        "endpoint__merchant__exact",
    )
    search_help_text = "Payment reference, event, delivery, endpoint, or the merchant's code"
    fields = (
        "reference",
        "endpoint",
        "event",
        "event_type",
        "about",
        "status",
        "tries",
        "last_result",
        "next_try_at",
        "created_at",
        "ended_at",
    )
    readonly_fields = ("status", "about")

    @admin.display(description="event type", ordering="event_type")
    def what(self, delivery: Delivery) -> str:
        return breakable(delivery.event_type)

    @admin.display(description="state", ordering="state")
    def status(self, delivery: Delivery) -> str:
        return badge(delivery.state)

    @admin.display(description="payment", ordering="payment")
    def about(self, delivery: Delivery) -> str:
        return payment_link(delivery.payment)
