"""The entries of the audit log for all that staff do in the back office."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from django.contrib.admin.utils import flatten
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import urlencode

from checkout.audit.log import NO_DETAILS, NOTHING, Author, Details, Subject, record
from checkout.audit.models import AuditEntry
from checkout.backoffice.log_in.log_in import client_address
from checkout.backoffice.owners import merchant_code, payment_reference

NOT_KEPT = "(not kept)"
ADD, CHANGE, DELETE = "add", "change", "delete"
# A longer value is cut. People read the entries, and the row has the whole value.
LONGEST_VALUE = 500


@dataclass(frozen=True, slots=True)
class Change:
    """The values of a form before and after, by field.

    Django passes this object to its log functions as "message".
    """

    before: Mapping[str, object]
    after: Mapping[str, object]


def author_of(request: HttpRequest) -> Author:
    """Return the user who sent the request, and the address of the client."""
    user = request.user
    name = user.get_username() if user.is_authenticated else ""
    return Author(name, user.pk, client_address(request) or "unknown")


def subject_of(row: Any, name: str = "") -> Subject:
    """Return the reference to ``row`` that the audit log keeps."""
    return Subject(
        row._meta.label_lower, str(row.pk), name or str(row), merchant_code(row), payment_reference(row)
    )


def note(
    request: HttpRequest, action: str, what: str, about: Subject = NOTHING, details: Details = NO_DETAILS
) -> None:
    """Record an action of the user of a request. See ``audit.log.record``."""
    record(author_of(request), action, what, about, details)


def entries_about(row: Model) -> Any:
    """Return the entries about ``row``, the newest first."""
    return AuditEntry.objects.filter(table=row._meta.label_lower, row=str(row.pk))


def is_in_log(user: Any) -> bool:
    """Return True if the user with this key has ever acted or logged in."""
    return AuditEntry.objects.filter(by_user=user).exists()


def has_acted(user: Any, since: datetime) -> bool:
    """Return True if the user with this key has acted on any row since the time ``since``."""
    return AuditEntry.objects.filter(by_user=user, at__gt=since).exclude(table="").exists()


class Audited:
    """A mixin for the pages of a table, whose changes are recorded in the audit log and not in Django's.

    ``private_fields`` are fields with values that an entry must not keep.
    """

    opts: Any
    private_fields: tuple[str, ...] = ()

    def audit_name(self, row: Any) -> str:
        """Return the name of ``row`` in the audit log. The log is never erased."""
        return str(row)

    def note(
        self, request: HttpRequest, row: Any, action: str, what: str, details: Details = NO_DETAILS
    ) -> None:
        """Record an action on ``row``. Call it last in the transaction of the action."""
        note(request, action, what, subject_of(row, self.audit_name(row)), details)

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """See ModelAdmin."""
        self._note_edit(request, obj, ADD, "Added", message)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """See ModelAdmin."""
        self._note_edit(request, obj, CHANGE, "Changed", message)

    def log_deletions(self, request: HttpRequest, queryset: Iterable[Any]) -> Any:
        """See ModelAdmin. Django calls this method before it deletes the rows.

        The rows are locked before the entries are written, because other writers of the log wait from then
        on.
        """
        rows = list(queryset)
        if rows:
            keys = [row.pk for row in rows]
            list(type(rows[0])._default_manager.select_for_update().filter(pk__in=keys).values_list("pk"))
        for row in rows:
            self.note(request, row, DELETE, f"Deleted the {self.opts.verbose_name}")

    def construct_change_message(
        self, request: HttpRequest, form: Any, formsets: Any, add: bool = False
    ) -> Any:
        """See ModelAdmin. Return the values of the changed fields, before and after."""
        below = (each for formset in formsets or () for each in formset.forms if each.has_changed())
        before, after = {}, {}
        for edited in (form, *below):
            for name in edited.changed_data:
                after[name] = self._value(name, edited.cleaned_data.get(name))
                if not add:
                    before[name] = self._value(name, edited.initial.get(name))
        return Change(before, after)

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Redirect to the entries of the audit log about the row."""
        if not request.user.has_perm("audit.view_auditentry"):
            raise PermissionDenied
        query = urlencode({"q": f"row:{self.opts.label_lower}:{object_id}"})
        return HttpResponseRedirect(f"{reverse('admin:audit_auditentry_changelist')}?{query}")

    def columns_of(self, row: Any) -> dict[str, object]:
        """Return the values of the columns that a row's page shows."""
        shown = set(flatten(cast(Any, self).fields or ()))
        columns = [
            column for column in self.opts.concrete_fields if column.name in shown | {"state", "status"}
        ]
        return {column.name: self._value(column.name, getattr(row, column.attname)) for column in columns}

    def note_action(
        self,
        request: HttpRequest,
        row: Any,
        action: str,
        what: str,
        before: Mapping[str, object],
        why: str = "",
    ) -> None:
        """Record an action on ``row``, with the reason and the columns that have changed since ``before``."""
        now = type(row)._default_manager.filter(pk=row.pk).first()
        after = self.columns_of(now) if now is not None else {}
        changed = [name for name, value in after.items() if before.get(name) != value]
        details = Details(
            why, {name: before.get(name) for name in changed}, {name: after[name] for name in changed}
        )
        self.note(request, row, action, what, details)

    def _note_edit(self, request: HttpRequest, row: Any, action: str, verb: str, change: Change) -> None:
        fields = ", ".join(name.replace("_", " ") for name in change.after)
        what = f"{verb} the {self.opts.verbose_name}" + (f": {fields}" if fields and action == CHANGE else "")
        self.note(request, row, action, what, Details(before=change.before, after=change.after))

    def _value(self, name: str, value: object) -> object:
        """Return a value as an entry keeps it: text, a number, or a list of texts."""
        if name in self.private_fields or "password" in name or name.endswith("_key"):
            return NOT_KEPT
        if value is None or isinstance(value, bool | int):
            return value
        if isinstance(value, str | Model | dict):
            return str(value)[:LONGEST_VALUE]
        if isinstance(value, Iterable):
            return sorted(str(each)[:LONGEST_VALUE] for each in value)
        return str(value)[:LONGEST_VALUE]
