"""The runs of reconciliation, and the differences that they found."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html

from checkout.backoffice.attention.differences import next_step, story
from checkout.backoffice.base import ModelAdmin, ReadOnlyAdmin
from checkout.backoffice.display.localised import formats
from checkout.backoffice.display.values import NOTHING, badge, payment_page_link, short_time
from checkout.backoffice.row_actions import ReadOnlyAdminWithActions, Tool, Verb
from checkout.payments.actions import deal_with_difference
from checkout.payments.models import Difference, Reconciliation
from checkout.payments.models.reconciliation import OPEN_DIFFERENCE

DEAL_WITH = Verb(
    name="deal_with",
    label="Mark as dealt with",
    explanation=(
        "The books are not changed. The difference stops waiting for staff. It is compared again only when "
        "its payment changes. If the sums differ from now then, it waits for staff again. Say what was "
        "done, or why the books cannot agree."
    ),
    done="Marked as dealt with.",
    otherwise="it is resolved, or was dealt with before. Nothing was changed.",
    is_offered=lambda row: row.resolved_at is None and row.dealt_with_at is None,
    carry_out=lambda row, by, why: deal_with_difference(row.pk, by=by, note=why),
    asks_why=True,
    seen=lambda row: (row.ours_minor, row.theirs_minor, row.currency),
)


class OpenFilter(admin.SimpleListFilter):
    """A filter by the difference's status: open, dealt with, or resolved."""

    title = "status"
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin) -> list[tuple[str, str]]:
        return [("open", "Open"), ("dealt_with", "Dealt with"), ("resolved", "Resolved")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Difference]) -> QuerySet[Difference]:
        match self.value():
            case "open":
                return queryset.filter(OPEN_DIFFERENCE)
            case "dealt_with":
                return queryset.filter(resolved_at=None, dealt_with_at__isnull=False)
            case "resolved":
                return queryset.filter(resolved_at__isnull=False)
        return queryset


@admin.register(Difference)
class DifferenceAdmin(ReadOnlyAdminWithActions):
    """Differences in one sum of one order. They are resolved when the books agree, or when staff settle them.

    An order about which the provider does not answer is listed as well, without sums.
    """

    verbs = (DEAL_WITH,)
    list_display = ("order_code", "told", "ours", "theirs", "status", "payment_found", "found")
    list_display_links = ("order_code",)
    list_select_related = ("account", "payment")
    list_filter = (OpenFilter, "kind", "account", ("found_at", admin.DateFieldListFilter))
    search_fields = ("order_code__exact", "payment__reference__exact", "payment__order_reference__exact")
    search_help_text = "Provider order code, payment reference or order number"
    fields = (
        "told",
        "order_code",
        "kind",
        "ours",
        "theirs",
        "status",
        "payment_found",
        "account",
        "found_at",
        "last_seen_at",
        "resolved_at",
        "dealt_with_at",
        "dealt_with_by",
        "dealt_with_note",
    )
    readonly_fields = ("told", "ours", "theirs", "status", "payment_found")

    def get_list_display(self, request: HttpRequest) -> Any:
        """Add a column with the action that the user may take about each difference."""

        @admin.display(description="what to do")
        def to_do(row: Difference) -> str:
            step = next_step(row, request.user)
            return format_html('<a href="{}">{}</a>', step.address, step.label) if step else NOTHING

        return (*self.list_display, to_do)

    def tools(self, request: HttpRequest, row: Difference) -> list[Tool]:
        """Return links to the actions. The action that settles the difference comes first."""
        step, others = next_step(row, request.user), super().tools(request, row)
        return [step, *others] if step and step.address not in {each.address for each in others} else others

    @admin.display(description="what differs", ordering="kind")
    def told(self, difference: Difference) -> str:
        return story(difference)

    @admin.display(description="found", ordering="found_at")
    def found(self, difference: Difference) -> str:
        return short_time(difference.found_at)

    @admin.display(description="our books", ordering="ours_minor")
    def ours(self, difference: Difference) -> str:
        return self._unless_unanswered(difference, difference.ours_in(formats()))

    @admin.display(description="the provider's books", ordering="theirs_minor")
    def theirs(self, difference: Difference) -> str:
        return self._unless_unanswered(difference, difference.theirs_in(formats()))

    @staticmethod
    def _unless_unanswered(difference: Difference, sum: str) -> str:
        return NOTHING if difference.kind == Difference.Kind.UNANSWERED else sum

    @admin.display(description="status", ordering="resolved_at")
    def status(self, difference: Difference) -> str:
        if difference.resolved_at:
            return badge("resolved")
        return badge("dealt_with" if difference.dealt_with_at else "open")

    @admin.display(description="payment")
    def payment_found(self, difference: Difference) -> Any:
        return payment_page_link(difference.payment) if difference.payment else NOTHING


@admin.register(Reconciliation)
class ReconciliationAdmin(ReadOnlyAdmin):
    """Runs over an account, with the numbers of orders that could be compared and that could not."""

    list_display = (
        "account", "started_at", "compared", "differing", "in_progress", "not_told", "unanswered",
    )  # fmt: skip
    list_select_related = ("account",)
    list_filter = ("account", ("started_at", admin.DateFieldListFilter))
    search_fields = ("account__code__exact",)
    search_help_text = "Code of the provider account"
    date_hierarchy = "started_at"
    fields = (
        "account",
        "started_at",
        "finished_at",
        "compared",
        "differing",
        "in_progress",
        "not_told",
        "unanswered",
        "compared_until",
        "listed_until",
    )
    readonly_fields = ("not_told",)

    @admin.display(description="not told", ordering="untold")
    def not_told(self, run: Reconciliation) -> int:
        """The number of orders whose sums the provider does not report."""
        return run.untold
