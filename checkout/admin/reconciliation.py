"""Where a provider's books and ours differ, as reconciliation found it."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from checkout.admin.base import ModelAdmin, ReadOnlyAdmin
from checkout.admin.display import NOTHING, badge, payment_page_link
from checkout.models import Difference
from checkout.money import Money


class OpenFilter(admin.SimpleListFilter):
    """Whether the books still differ."""

    title = "status"
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin) -> list[tuple[str, str]]:
        return [("open", "Open"), ("resolved", "Resolved")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Difference]) -> QuerySet[Difference]:
        if self.value() not in ("open", "resolved"):
            return queryset
        return queryset.filter(resolved_at__isnull=self.value() == "open")


@admin.register(Difference)
class DifferenceAdmin(ReadOnlyAdmin):
    """One sum of one order. It is resolved when a later reconciliation finds the books in agreement."""

    list_display = (
        "order_code", "kind", "ours", "theirs", "status", "payment_found", "account", "found_at",
    )  # fmt: skip
    list_select_related = ("account", "payment")
    list_filter = (OpenFilter, "kind", "account", ("found_at", admin.DateFieldListFilter))
    search_fields = ("order_code__exact", "payment__reference__exact", "payment__order_reference__exact")
    search_help_text = "Provider order code, payment reference or order number"
    date_hierarchy = "found_at"
    fields = (
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
    )
    readonly_fields = ("ours", "theirs", "status", "payment_found")

    @admin.display(description="our books", ordering="ours_minor")
    def ours(self, difference: Difference) -> str:
        return _amount(difference.ours_minor, difference.currency)

    @admin.display(description="the provider's books", ordering="theirs_minor")
    def theirs(self, difference: Difference) -> str:
        return _amount(difference.theirs_minor, difference.currency)

    @admin.display(description="status", ordering="resolved_at")
    def status(self, difference: Difference) -> str:
        return badge("resolved" if difference.resolved_at else "open")

    @admin.display(description="payment")
    def payment_found(self, difference: Difference) -> Any:
        return payment_page_link(difference.payment) if difference.payment else NOTHING


def _amount(minor: int, currency: str) -> str:
    """An order that only the provider knows may be one whose currency was not told."""
    return str(Money(minor, currency)) if currency else f"{minor} minor units"
