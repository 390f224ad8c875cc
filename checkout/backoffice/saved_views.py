"""Saved views: filters of a list that members of staff keep under a name, and their choice of columns."""

from collections.abc import Sequence
from typing import Any, cast

from django import forms
from django.contrib import messages
from django.contrib.admin.utils import label_for_field
from django.contrib.admin.views.main import ERROR_FLAG, PAGE_VAR
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.urls import path, reverse
from django.utils.text import capfirst
from django.views.decorators.http import require_POST

from checkout.payments.models import StaffView

MOST_VIEWS = 20


class ViewForm(forms.ModelForm):  # type: ignore[type-arg]  # the class has no parameter at run time
    """A form for the name of a view, and the part of the list's address that is kept."""

    class Meta:
        model = StaffView
        fields = ("name", "query")


class WithSavedViews:
    """A mixin for the page of a table.

    ``list_display`` has the columns for users who have not chosen any. ``further_columns`` may be chosen
    beside them, and ``first_column`` is always shown.
    """

    opts: Any
    admin_site: Any
    list_display: Sequence[Any]
    further_columns: Sequence[str] = ()
    first_column = ""

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(require_POST(self.keep_view))
        return [path("views/", view, name=self._name_of_address), *super().get_urls()]  # type: ignore[misc]

    def get_list_display(self, request: HttpRequest) -> Any:
        """Return the columns that the user has chosen, or else the usual ones."""
        chosen = next((each.columns for each in self._kept(request) if not each.name), None)
        if chosen is None:
            return self.list_display
        return [name for name in self._every_column if name in chosen or name == self.first_column]

    def changelist_view(self, request: Any, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Add the user's views and the choice of columns to the list."""
        if not self.has_view_permission(request):  # type: ignore[attr-defined]
            raise PermissionDenied
        here, shown = _kept_part(request.GET), self.get_list_display(request)
        views = [
            {"name": each.name, "query": each.query, "is_here": each.query == here}
            for each in self._kept(request)
            if each.name
        ]
        columns = [
            {"name": name, "label": self._label(name), "is_shown": name in shown}
            for name in self._every_column
            if name != self.first_column
        ]
        kept = {"views": views, "columns": columns, "here": here, "address": self._views_address}
        context = {"kept": kept, **(extra_context or {})}
        return super().changelist_view(request, context)  # type: ignore[misc,no-any-return]

    def keep_view(self, request: HttpRequest) -> HttpResponse:
        """Store the chosen columns or a new view, or delete a view. Then redirect to the list."""
        if not self.has_view_permission(request):  # type: ignore[attr-defined]
            raise PermissionDenied
        about = {"user": cast(User, request.user).pk, "table": self.opts.label_lower}
        query = _kept_part(QueryDict(request.POST.get("query", "")))
        if "columns" in request.POST:
            columns = [name for name in self._every_column if name in request.POST.getlist("column")]
            StaffView.objects.update_or_create(**about, name="", defaults={"columns": columns})
        elif "usual" in request.POST:
            StaffView.objects.filter(**about, name="").delete()
        elif "forget" in request.POST:
            StaffView.objects.filter(**about, name=request.POST["forget"]).exclude(name="").delete()
        else:
            self._save(request, about, query)
        return HttpResponseRedirect(f"{self._list_address}?{query}" if query else self._list_address)

    def _save(self, request: HttpRequest, about: dict[str, Any], query: str) -> None:
        form = ViewForm({"name": request.POST.get("name", ""), "query": query})
        if not form.is_valid() or not form.cleaned_data["name"]:
            messages.error(request, "A view needs a name of at most 40 characters. Nothing was saved.")
            return
        name = form.cleaned_data["name"]
        others = StaffView.objects.filter(**about).exclude(name__in=("", name))
        if others.count() >= MOST_VIEWS:
            messages.error(request, f"There are {MOST_VIEWS} views already: delete one first.")
            return
        StaffView.objects.update_or_create(**about, name=name, defaults={"query": query})
        messages.success(request, f"Saved as {name}.")

    @property
    def _every_column(self) -> Sequence[str]:
        return (*self.list_display, *self.further_columns)

    @property
    def _name_of_address(self) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_views"

    @property
    def _views_address(self) -> str:
        return reverse(f"admin:{self._name_of_address}")

    @property
    def _list_address(self) -> str:
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist")

    def _label(self, name: str) -> str:
        return capfirst(str(label_for_field(name, self.opts.model, cast(Any, self))))

    def _kept(self, request: Any) -> list[StaffView]:
        """Return the views and columns that the user has stored for this list.

        They are read once per request.
        """
        if not hasattr(request, "kept_views"):
            about = {"user": request.user.pk, "table": self.opts.label_lower}
            request.kept_views = list(StaffView.objects.filter(**about))
        kept: list[StaffView] = request.kept_views
        return kept


def _kept_part(query: QueryDict) -> str:
    """Return the query of a list's address without the page number and Django's mark of an error."""
    kept = query.copy()
    for name in (PAGE_VAR, ERROR_FLAG):
        kept.pop(name, None)
    return kept.urlencode()
