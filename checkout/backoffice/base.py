"""Base classes for the pages of the back office."""

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import flatten
from django.contrib.messages.storage import default_storage
from django.db import DEFAULT_DB_ALIAS, InterfaceError, OperationalError
from django.db.models import Model, QuerySet
from django.db.models.constants import LOOKUP_SEP
from django.http import HttpRequest, HttpResponse
from django.template.response import SimpleTemplateResponse
from django.utils import timezone

from checkout.backoffice.audited import Audited, has_acted
from checkout.backoffice.bounded_search import WithBoundedSearch
from checkout.backoffice.rights.pages import WithinMerchants
from checkout.conf import conf
from checkout.database import replica
from checkout.database.owners import REPLICA, database_of

# These classes of Django have a type parameter in the stubs only.
if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]
    TabularInline = admin.TabularInline[Any, Any]
    ModelForm = forms.ModelForm[Any]
else:
    ModelAdmin = admin.ModelAdmin
    TabularInline = admin.TabularInline
    ModelForm = forms.ModelForm


class ReadOnly:
    """A mixin for tables in which no user may add, change or delete rows, not even a superuser."""

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class FromReplica:
    """A mixin whose list is read from a replica, if there is one and it is not too far behind.

    If the replica cannot be reached, the list is read from the primary. Pages of single rows, and lists with
    actions, are always read from the primary. So is a list that a member of staff opens soon after an action,
    because the replica may lack the effect of the action.
    """

    opts: Any
    actions: Any

    def changelist_view(self, request: Any, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if not self._may_be_old(request):
            return self._list(request, extra_context)
        found = replica.source()
        if found.database == REPLICA:
            try:
                return self._list_from(found, request, extra_context)
            except (OperationalError, InterfaceError) as error:
                found = replica.instead(error)
                # Remove the message that the list was read from the replica.
                request._messages = default_storage(request)
        return self._list_from(found, request, extra_context)

    def _list_from(
        self, found: replica.Source, request: Any, extra_context: dict[str, Any] | None
    ) -> HttpResponse:
        request.list_database = found.database
        messages.info(request, found.note)
        response = self._list(request, extra_context)
        # Rendering reads the rows.
        return response.render() if isinstance(response, SimpleTemplateResponse) else response

    def _list(self, request: Any, extra_context: dict[str, Any] | None) -> HttpResponse:
        return super().changelist_view(request, extra_context)  # type: ignore[misc,no-any-return]

    def get_queryset(self, request: Any) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request)  # type: ignore[misc]
        return rows.using(database) if (database := getattr(request, "list_database", "")) else rows

    def _may_be_old(self, request: HttpRequest) -> bool:
        if self.actions is not None or database_of(self.opts.app_label) != DEFAULT_DB_ALIAS:
            return False
        since = timezone.now() - timedelta(seconds=conf.replica_lag_seconds)
        return replica.is_configured() and not has_acted(request.user.pk, since)


class ReadOnlyAdmin(Audited, WithBoundedSearch, FromReplica, WithinMerchants, ReadOnly, ModelAdmin):
    """A table that can be searched and viewed.

    Subclasses list ``fields`` explicitly, so that other fields, such as a token's hash, are neither shown nor
    used to filter the list.
    """

    change_form_template = "admin/payments/read_only.html"
    actions: Sequence[str] | None = None
    show_full_result_count = False
    list_per_page = 50

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Return False for a filter by a column that is not shown.

        Django allows filters by every column of the table. A user could find out the content of a column by
        filtering for one prefix after another.
        """
        shown = self._names_shown()
        hidden = [
            field for field in self.opts.concrete_fields if not (field.primary_key or field.name in shown)
        ]
        names = {name for field in hidden for name in (field.name, field.attname)}
        return lookup.partition(LOOKUP_SEP)[0] not in names and super().lookup_allowed(lookup, value, request)

    def _names_shown(self) -> set[str]:
        """Return the names of all columns that the list, its filters and the pages of rows show."""
        filters = [each[0] if isinstance(each, tuple) else each for each in self.list_filter]
        named = [getattr(each, "parameter_name", each) for each in filters]
        every = (*self.list_display, *flatten(self.fields or ()), *named)
        return {each for each in every if isinstance(each, str)}


class ReadOnlyInline(ReadOnly, TabularInline):
    """Rows of another table, below the row to which they belong."""

    extra = 0
    can_delete = False
