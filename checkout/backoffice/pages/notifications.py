"""Notifications from providers, each with its result."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from checkout.backoffice.base import ModelAdmin
from checkout.backoffice.display.values import NOTHING, badge, payment_link, text_block
from checkout.backoffice.display.wording import notification_in_words
from checkout.backoffice.filters import HappenedFilter
from checkout.backoffice.row_actions import ReadOnlyAdminWithActions, Verb
from checkout.backoffice.settling.evidence import time_text
from checkout.payments import actions
from checkout.payments.actions.staff.handling import NEEDS_ATTENTION
from checkout.payments.models import ProviderNotification
from checkout.payments.notification_results import results_of

State = ProviderNotification.State

DEAL_WITH = Verb(
    name="deal_with",
    label="Mark as dealt with",
    explanation=(
        "The notification is not applied, and its payment is no longer searched for. It only stops waiting "
        "for staff. If the notification is conflicted or unmatched, it is not applied when the provider "
        "sends it again, either. Say what was done, or why nothing has to be done."
    ),
    done="Marked as dealt with.",
    otherwise="it does not wait for staff. Nothing was changed.",
    is_offered=lambda row: row.state in NEEDS_ATTENTION and row.dealt_with_at is None,
    carry_out=lambda row, by, why: actions.deal_with_notification(row.pk, by=by, note=why),
    asks_why=True,
    seen=lambda row: (row.state, row.reason),
)


class LookedInto(admin.SimpleListFilter):
    """A filter by the state of processing. A column of the list shows the result."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin) -> list[tuple[str, str]]:
        words = {State.RECEIVED: "Not looked at yet", State.APPLIED: "Looked into"}
        return [(state.value, words.get(state, str(state.label))) for state in State]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[ProviderNotification]
    ) -> QuerySet[ProviderNotification]:
        return queryset.filter(state=self.value()) if self.value() else queryset


class NotificationList(ChangeList):
    """A list that reads the results of all rows of a page at once."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = list(self.result_list)
        results = results_of(self.result_list)
        for row in self.result_list:
            row.outcome = results[row.pk]


@admin.register(ProviderNotification)
class ProviderNotificationAdmin(ReadOnlyAdminWithActions):
    """Notifications from providers, scrubbed before they were stored."""

    verbs = (DEAL_WITH,)
    list_display = (
        "received_at",
        "what_came_of_it",
        "is_proven",
        "account",
        "payment_found",
        "copies",
        "looked_into_at",
    )
    list_select_related = ("account", "payment")
    list_filter = (
        LookedInto,
        "is_proven",
        ("dealt_with_at", HappenedFilter),
        "account",
        ("received_at", admin.DateFieldListFilter),
    )
    search_fields = ("payment__reference__exact", "payment__order_reference__exact", "digest__exact")
    search_help_text = "Payment reference, order number or SHA-256 of the body"
    date_hierarchy = "received_at"
    fields = (
        "account",
        "is_proven",
        "what_came_of_it",
        "question",
        "payment_found",
        "copies",
        "received_at",
        "looked_into_at",
        "tries",
        "next_try_at",
        "dealt_with_at",
        "dealt_with_by",
        "dealt_with_note",
        "digest",
        "scrubbed_body",
    )
    readonly_fields = ("what_came_of_it", "question", "payment_found", "looked_into_at", "scrubbed_body")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return NotificationList

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        row: Any = super().get_object(request, object_id, from_field)
        if row is not None:
            row.outcome = results_of([row])[row.pk]
        return row

    @admin.display(ordering="state")
    def what_came_of_it(self, notification: Any) -> str:
        result = notification.outcome.result
        sentence = notification_in_words(notification, notification.outcome)
        return format_html('{} <span class="meaning">{}</span>', badge(result), sentence)

    @admin.display(description="asked by")
    def question(self, notification: Any) -> str:
        saga = notification.outcome.question
        if saga is None:
            return NOTHING
        address = reverse("admin:payments_saga_change", args=[saga.pk])
        return format_html('<a href="{}">{}</a>', address, saga)

    @admin.display(description="looked into", ordering="applied_at")
    def looked_into_at(self, notification: ProviderNotification) -> str:
        return time_text(notification.applied_at) if notification.applied_at else NOTHING

    @admin.display(description="payment")
    def payment_found(self, notification: ProviderNotification) -> str:
        return payment_link(notification.payment.reference if notification.payment else "")

    @admin.display(description="body")
    def scrubbed_body(self, notification: ProviderNotification) -> str:
        return text_block(notification.body)
