"""The audit log: a list with filters that can be exported, and a page for each entry."""

from datetime import timedelta
from types import MappingProxyType
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html

from checkout.audit.log import details_of
from checkout.audit.models import AuditEntry
from checkout.backoffice.base import ModelAdmin, ReadOnlyAdmin
from checkout.backoffice.display.values import NOTHING, json_block, payment_link, short_time
from checkout.backoffice.exports import WithExport
from checkout.backoffice.navigation import SECTIONS
from checkout.backoffice.search import day_in, midnight_of

_STRANGER = "-"


class WhoFilter(admin.SimpleListFilter):
    """A filter by the user who acted."""

    title = "who"
    parameter_name = "who"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin) -> list[tuple[str, str]]:
        names = User.objects.filter(is_staff=True).order_by("username").values_list("username", flat=True)
        return [*((name, name) for name in names), (_STRANGER, "A stranger")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
        name = self.value()
        return queryset.filter(by="" if name == _STRANGER else name) if name else queryset


class TableFilter(admin.SimpleListFilter):
    """A filter by the table that an entry is about. Rows of technical tables are found by the search."""

    title = "object"
    parameter_name = "about"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin) -> list[tuple[str, str]]:
        labels = (label for section in SECTIONS if not section.is_internal for label in section.models)
        named = ((label.lower(), str(apps.get_model(label)._meta.verbose_name)) for label in labels)
        return sorted(named, key=lambda each: each[1].lower())

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
        return queryset.filter(table=self.value()) if self.value() else queryset


@admin.register(AuditEntry)
class AuditEntryAdmin(WithExport, ReadOnlyAdmin):
    """Everything that staff have done, newest first."""

    list_display = ("when", "who", "what", "about", "merchant", "origin")
    list_display_links = ("when",)
    list_filter = (WhoFilter, TableFilter, ("at", admin.DateFieldListFilter))
    # `get_search_results` does the search. Django shows the search box only if `search_fields` is not empty.
    search_fields = ("name",)
    search_help_text = "User, payment reference or object; since:2026-11-01, action:refund, row:table:key"
    fields = (
        *("id", "when", "who", "origin", "what", "action", "about", "merchant", "of_payment"),
        *("why", "before", "after", "previous", "digest"),
    )
    readonly_fields = ("when", "who", "about", "of_payment", "why", "before", "after")
    export_columns = MappingProxyType(
        {
            "number": lambda entry: entry.id,
            "when": lambda entry: entry.at,
            "who": lambda entry: entry.by,
            "from": lambda entry: entry.origin,
            "action": lambda entry: entry.action,
            "what": lambda entry: entry.what,
            "table": lambda entry: entry.table,
            "row": lambda entry: entry.row,
            "object": lambda entry: entry.name,
            "merchant": lambda entry: entry.merchant,
            "payment": lambda entry: entry.payment,
            "why": lambda entry: details_of(entry).why,
            "before": lambda entry: dict(details_of(entry).before),
            "after": lambda entry: dict(details_of(entry).after),
            "digest": lambda entry: entry.digest,
        }
    )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[AuditEntry], search_term: str
    ) -> tuple[QuerySet[AuditEntry], bool]:
        """Search by exact values. All words must match."""
        for word in search_term.split():
            queryset = queryset.filter(_condition(word))
        return queryset, False

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Redirect to the entry itself, which has no history."""
        return HttpResponseRedirect(reverse("admin:audit_auditentry_change", args=[object_id]))

    @admin.display(description="when", ordering="id")
    def when(self, entry: AuditEntry) -> str:
        return short_time(entry.at)

    @admin.display(description="who", ordering="by")
    def who(self, entry: AuditEntry) -> str:
        return entry.by or "a stranger"

    @admin.display(description="object")
    def about(self, entry: AuditEntry) -> str:
        """The kind and the name of the row that the entry is about, with a link if the row still exists."""
        if not entry.table:
            return NOTHING
        try:
            options = apps.get_model(entry.table)._meta
        except LookupError:
            return f"{entry.table} {entry.name}"
        address = reverse(f"admin:{options.app_label}_{options.model_name}_change", args=[entry.row])
        return format_html('{} <a href="{}">{}</a>', options.verbose_name, address, entry.name or entry.row)

    @admin.display(description="payment")
    def of_payment(self, entry: AuditEntry) -> str:
        return payment_link(entry.payment)

    @admin.display(description="why")
    def why(self, entry: AuditEntry) -> str:
        return details_of(entry).why or NOTHING

    @admin.display(description="before")
    def before(self, entry: AuditEntry) -> str:
        values = details_of(entry).before
        return json_block(dict(values)) if values else NOTHING

    @admin.display(description="after")
    def after(self, entry: AuditEntry) -> str:
        values = details_of(entry).after
        return json_block(dict(values)) if values else NOTHING


def _condition(word: str) -> Q:
    """Return the condition that one word of a search stands for."""
    operator, is_operator, value = word.partition(":")
    if is_operator and operator in ("since", "until"):
        day = day_in(value)
        if day is None:
            return Q(pk__in=[])
        is_since = operator == "since"
        return Q(at__gte=midnight_of(day)) if is_since else Q(at__lt=midnight_of(day + timedelta(days=1)))
    if is_operator and operator == "action":
        return Q(action=value)
    if is_operator and operator == "row":
        table, _, key = value.partition(":")
        return Q(table=table, row=key)
    return Q(by=word) | Q(payment=word) | Q(name=word) | Q(row=word)
