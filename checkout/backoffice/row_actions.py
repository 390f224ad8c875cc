"""Actions on one row. A link on the row's page leads to a page that explains the action and has a button."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth import get_permission_codename
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from checkout.backoffice.audited import Audited
from checkout.backoffice.base import ModelAdmin, ReadOnlyAdmin
from checkout.backoffice.display.facts import FactLine
from checkout.errors import OperationRejected
from checkout.privacy.scrubbing import NOTE_LENGTH

FOR_COLLEAGUES = "For colleagues: the shopper does not see it."
CHANGED = (
    "the row has changed since you opened that page. Nothing was done. Look at it again, and repeat the "
    "action if necessary."
)


@dataclass(frozen=True, slots=True)
class Verb:
    """An action on a row, for users with the permission ``<name>_<model>``.

    ``permission_of`` names another verb whose permission is needed instead. ``carry_out`` takes the row, the
    user's name and, if ``asks_why``, the user's reason. It raises ``OperationRejected`` if the action is not
    possible. ``done`` is the message after the action, and ``otherwise`` the message if the action is not
    offered. ``reason_is_for`` says who reads the reason.

    ``seen`` returns the part of the row on which the user's decision is based. If this part has changed since
    the confirmation page was opened, nothing is done, and the user is redirected to the row.
    """

    name: str
    label: str
    explanation: str
    done: str
    otherwise: str
    is_offered: Callable[[Any], bool]
    carry_out: Callable[[Any, str, str], object]
    asks_why: bool = False
    reason_is_for: str = FOR_COLLEAGUES
    seen: Callable[[Any], object] | None = None
    permission_of: str = ""


class ReasonForm(forms.Form):
    """A form that asks for the reason of an action."""

    reason = forms.CharField(
        max_length=NOTE_LENGTH,
        widget=forms.TextInput(attrs={"class": "vTextField"}),
        help_text=FOR_COLLEAGUES,
    )


@dataclass(frozen=True, slots=True)
class Tool:
    """A link at the top of a row's page."""

    label: str
    address: str


class AdminWithActions(Audited, ModelAdmin):
    """An admin with actions on its rows."""

    verbs: tuple[Verb, ...] = ()

    def tools(self, request: HttpRequest, row: Any) -> list[Tool]:
        """Return links to the actions that this user may take on ``row`` in its present state."""
        return [
            Tool(verb.label, self.address(verb.name, row))
            for verb in self.verbs
            if self.may(request, verb) and verb.is_offered(row)
        ]

    def facts(self, row: Any) -> Iterable[FactLine]:
        """Return labels and values that identify ``row`` on the pages of its actions."""
        return ()

    def may(self, request: HttpRequest, verb: Verb) -> bool:
        """Return True if the user has the permission for ``verb``."""
        codename = get_permission_codename(verb.permission_of or verb.name, self.opts)
        return request.user.has_perm(f"{self.opts.app_label}.{codename}")

    def address(self, page: str, row: Any) -> str:
        """Return the address of a page about ``row``."""
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_{page}", args=[row.pk])

    def page(self, name: str, view: Callable[..., HttpResponse], *args: Any) -> URLPattern:
        """Return the URL pattern of a page about a row, for staff only and with Django's CSRF check."""
        return path(
            f"<path:object_id>/{name}/",
            self.admin_site.admin_view(partial(view, *args)),
            name=f"{self.opts.app_label}_{self.opts.model_name}_{name}",
        )

    def get_urls(self) -> list[Any]:
        return [*(self.page(verb.name, self.verb_view, verb) for verb in self.verbs), *super().get_urls()]

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Any = None,
    ) -> HttpResponse:
        if obj is not None:
            context["tools"] = self.tools(request, obj)
        return super().render_change_form(request, context, add, change, form_url, obj)

    def row_for(self, request: HttpRequest, object_id: str, is_permitted: bool) -> Any:
        """Return the row, or None if it does not exist.

        Raises ``PermissionDenied`` unless ``is_permitted``.
        """
        if not is_permitted or not self.has_view_permission(request):
            raise PermissionDenied
        return self.get_object(request, object_id)

    def verb_view(self, verb: Verb, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show the confirmation page, or carry out the action if its button was pressed."""
        row = self.row_for(request, object_id, self.may(request, verb))
        if row is None:
            return self.missing(request, object_id)
        if request.method != "POST":
            return self._answer_verb(verb, request, row)
        with transaction.atomic():
            return self._answer_verb(verb, request, row)

    def _answer_verb(self, verb: Verb, request: HttpRequest, row: Any) -> HttpResponse:
        if verb.seen and request.method == "POST":
            locked = type(row)._default_manager.select_for_update(of=("self",), no_key=True)
            row.refresh_from_db(from_queryset=locked)
        if not verb.is_offered(row):
            return self.back(request, row, messages.ERROR, f"{verb.label}: {verb.otherwise}")
        seen = str(verb.seen(row)) if verb.seen else ""
        if request.POST.get("seen", seen) != seen:
            return self.back(request, row, messages.ERROR, f"{verb.label}: {CHANGED}")
        form = ReasonForm(request.POST if request.method == "POST" else None) if verb.asks_why else None
        if form:
            form.fields["reason"].help_text = verb.reason_is_for
        if request.method != "POST" or (form and not form.is_valid()):
            context = {"verb": verb, "form": form, "seen": seen}
            return self.show(request, "admin/payments/confirm_verb.html", row, verb.label, context)
        before, why = self.columns_of(row), form.cleaned_data["reason"] if form else ""
        try:
            with transaction.atomic():
                verb.carry_out(row, request.user.get_username(), why)
        except OperationRejected as error:
            return self.back(request, row, messages.ERROR, f"{verb.label}: nothing was changed. {error}")
        self.note_action(request, row, verb.name, verb.label, before, why)
        return self.back(request, row, messages.SUCCESS, verb.done)

    def missing(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Redirect to the start page with the message that there is no such row."""
        self.message_user(request, f"There is no {self.opts.verbose_name} {object_id}.", messages.WARNING)
        return HttpResponseRedirect(reverse("admin:index"))

    def back(self, request: HttpRequest, row: Any, level: int, message: str) -> HttpResponse:
        """Redirect to the row's page, with a message."""
        self.message_user(request, message, level)
        return HttpResponseRedirect(self.address("change", row))

    def to_payment(self, request: HttpRequest, row: Any, level: int, message: str) -> HttpResponse:
        """Redirect to the row's payment, or to the row itself if the user may not view payments."""
        if not request.user.has_perm("payments.view_payment"):
            return self.back(request, row, level, message)
        self.message_user(request, message, level)
        return HttpResponseRedirect(reverse("admin:payments_payment_change", args=[row.payment_id]))

    def show(
        self, request: HttpRequest, template: str, row: Any, title: str, context: dict[str, Any]
    ) -> HttpResponse:
        """Return a page about ``row``."""
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": row,
            "facts": list(self.facts(row)),
            "title": title,
            "back": self.address("change", row),
            **context,
        }
        return TemplateResponse(request, template, context)


class ReadOnlyAdminWithActions(AdminWithActions, ReadOnlyAdmin):
    """A read-only table with actions on its rows."""
