"""The export of the rows of all pages of a list, as CSV or as lines of JSON.

The rows are read in batches by their keys, newest first. Between two batches an export holds neither a thread
nor a connection, so that a slow client blocks no other request, and the first line is sent before any row is
read.
"""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import date
from functools import partial
from typing import Any

from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.urls import path, reverse
from django.utils import timezone

from checkout.backoffice.audited import note
from checkout.csv_text import csv_line
from messaging.concurrency.database import in_thread

PERMISSION = "payments.export_payment"
# The number of rows that an export reads at a time.
BATCH = 1_000
# The columns of an export, each with a function that returns its value for a row: text, a number, a Boolean,
# a time, or JSON. Amounts are decimals in major units.
Columns = Mapping[str, Callable[[Any], object]]
Write = Callable[[Mapping[str, object]], str]


class WithExport:
    """A mixin for the page of a table. Users who may see its list and have ``PERMISSION`` may export it.

    ``export_columns`` are the columns of an export, which need not be those of the list.
    """

    opts: Any
    admin_site: Any
    export_columns: Columns = {}

    def get_urls(self) -> list[Any]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_export"
        as_csv = self.admin_site.admin_view(partial(self.export_view, "csv"))
        as_lines = self.admin_site.admin_view(partial(self.export_view, "jsonl"))
        return [
            path("export/", as_csv, name=name),
            path("export/json-lines/", as_lines, name=f"{name}_lines"),
            *super().get_urls(),  # type: ignore[misc]
        ]

    def changelist_view(self, request: Any, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Add the addresses of the exports to the list, for those who may export it."""
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_export"
        addresses = [(reverse(name), "CSV"), (reverse(f"{name}_lines"), "JSON lines")]
        exports = addresses if request.user.has_perm(PERMISSION) else []
        return super().changelist_view(  # type: ignore[misc,no-any-return]
            request, {"exports": exports, **(extra_context or {})}
        )

    def get_changelist(self, request: Any, **more: Any) -> type[ChangeList]:
        """See ModelAdmin. For an export only the list's filters are needed, not its rows."""
        found: type[ChangeList] = super().get_changelist(request, **more)  # type: ignore[misc]
        return type(found.__name__, (_Unread, found), {}) if getattr(request, "is_unread", False) else found

    def filtered(self, request: Any) -> QuerySet[Any]:
        """Return the rows of all pages of the list, with the filters and the search in the request's address.

        Raises ``IncorrectLookupParameters``.
        """
        request.is_unread = True
        rows: QuerySet[Any] = self.get_changelist_instance(request).get_queryset(request)  # type: ignore[attr-defined]
        return rows

    def export_view(self, format: str, request: Any) -> Any:
        """Return the rows of the list as a download, and record the export."""
        if not self.has_view_permission(request) or not request.user.has_perm(PERMISSION):  # type: ignore[attr-defined]
            raise PermissionDenied
        try:
            found = self.filtered(request)
        except IncorrectLookupParameters:
            return HttpResponseRedirect(
                reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist")
            )
        chosen = request.GET.urlencode()
        about = f"{self.opts.verbose_name_plural} as {'CSV' if format == 'csv' else 'JSON lines'}"
        note(request, "export", f"Exported the {about}{f', {chosen}' if chosen else ''}")
        write, head = (_csv, csv_line(self.export_columns)) if format == "csv" else (_json, "")
        name = f"{self.opts.verbose_name_plural.replace(' ', '-')}-{timezone.now():%Y-%m-%d}.{format}"
        return StreamingHttpResponse(
            _texts(head, found.order_by("-pk"), self.export_columns, write),
            headers={
                "Content-Type": f"{'text/csv' if format == 'csv' else 'application/jsonl'}; charset=utf-8",
                "Content-Disposition": f'attachment; filename="{name}"',
                "Cache-Control": "no-store",
            },
        )


class _Unread(ChangeList):
    """A list whose rows are not read, because only its filters are needed."""

    def get_results(self, request: HttpRequest) -> None:
        """See ChangeList."""


async def _texts(head: str, rows: QuerySet[Any], columns: Columns, write: Write) -> AsyncIterator[str]:
    yield head
    text, last = await in_thread(_batch, rows, columns, write)
    while text:
        yield text
        text, last = await in_thread(_batch, rows.filter(pk__lt=last), columns, write)


def _batch(rows: QuerySet[Any], columns: Columns, write: Write) -> tuple[str, int]:
    """Return the lines of the next rows, and the key of the last row."""
    batch = list(rows[:BATCH])
    lines = [write({name: value(row) for name, value in columns.items()}) for row in batch]
    return "".join(lines), batch[-1].pk if batch else 0


def _csv(values: Mapping[str, object]) -> str:
    return csv_line(map(_cell, values.values()))


def _cell(value: object) -> object:
    if value is None:
        return ""
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")) if value else ""
    return value


def _json(values: Mapping[str, object]) -> str:
    return json.dumps(values, ensure_ascii=False, default=_plain) + "\n"


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)
