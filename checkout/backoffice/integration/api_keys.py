"""API keys, which staff with the permission make, rotate and revoke. A secret is shown once."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from checkout.api.access.keys import make_key, revoke_key, rotate_key, valid_successors
from checkout.api.access.scopes import Scope
from checkout.api.models import ApiKey, IdempotencyRecord
from checkout.audit.log import Details
from checkout.backoffice.approvals.asking import ask_for_approval
from checkout.backoffice.approvals.keys import proposed_key, proposed_rotation
from checkout.backoffice.audited import ADD
from checkout.backoffice.base import ReadOnlyAdmin
from checkout.backoffice.display.facts import FactLine, merchant_of_code
from checkout.backoffice.display.values import NOTHING
from checkout.backoffice.integration.api_key_forms import NewKeyForm, OnceForm, RotateForm
from checkout.backoffice.row_actions import ReadOnlyAdminWithActions, Tool, Verb
from checkout.errors import DuplicateRequest, OperationRejected
from checkout.payments.actions.staff.approvals import Proposal, needs_approval
from checkout.payments.models import Merchant
from checkout.payments.models.approval import Matter

PERMISSION = "api.manage_apikey"


MADE_ONCE = (
    "The form was sent twice. It made the key {key} once, and the first answer had its secret. If you have "
    "not seen the secret, use Rotate with 0 hours, which replaces this key by another one."
)


def _is_usable(key: ApiKey) -> bool:
    return not key.is_revoked and not key.is_expired


REVOKE = Verb(
    name="revoke",
    label="Revoke",
    explanation="From now on every request with this key is refused. This cannot be undone.",
    done="Revoked. All requests with this key are refused within a second (CHECKOUT_REMEMBER_SECONDS).",
    otherwise="the key is no longer valid. Nothing was changed.",
    is_offered=_is_usable,
    carry_out=lambda key, by, why: revoke_key(key.pk),
)


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnlyAdminWithActions):
    list_display = ("name", "prefix", "merchant", "is_live", "status", "last_used_at", "created_at")
    list_filter = ("is_live", "merchant")
    search_fields = ("name", "prefix", "merchant")
    fields = (
        *("name", "prefix", "merchant", "is_live", "status", "permits", "may_come_from", "version"),
        *("expires_at", "revoked_at", "last_used_at", "replaces", "created_by", "created_at"),
    )
    readonly_fields = ("status", "permits", "may_come_from", "version")
    verbs = (REVOKE,)

    @admin.display(description="status")
    def status(self, key: ApiKey) -> str:
        if key.is_revoked:
            return "revoked"
        return "expired" if key.is_expired else "valid"

    @admin.display(description="scopes")
    def permits(self, key: ApiKey) -> str:
        return ", ".join(key.scopes) or NOTHING

    @admin.display(description="networks")
    def may_come_from(self, key: ApiKey) -> str:
        return ", ".join(key.networks) or "any"

    @admin.display(description="API version")
    def version(self, key: ApiKey) -> str:
        return key.api_version

    def facts(self, row: ApiKey) -> Iterator[FactLine]:
        yield "Merchant", merchant_of_code(row.merchant)
        yield "Payments", "live" if row.is_live else "test: no money moves"

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return True if the user may make keys. Django then shows the button that adds one."""
        return request.user.has_perm(PERMISSION)

    def may(self, request: HttpRequest, verb: Verb) -> bool:
        """See AdminWithActions. One permission covers all actions on keys."""
        return request.user.has_perm(PERMISSION)

    def tools(self, request: HttpRequest, row: ApiKey) -> list[Tool]:
        tools = super().tools(request, row)
        if request.user.has_perm(PERMISSION) and _is_usable(row):
            tools.insert(0, Tool("Rotate", self.address("rotate", row)))
        return tools

    def get_urls(self) -> list[Any]:
        return [self.page("rotate", self.rotate_view), *super().get_urls()]

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the form. If its button was pressed, make the key."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        if repeated := self._made_before(request):
            return repeated
        form = NewKeyForm(request.POST if request.method == "POST" else None, user=request.user)
        if request.method != "POST" or not form.is_valid():
            listed = reverse("admin:api_apikey_changelist")
            return self._page(request, "form.html", form=form, title="Make an API key", back=listed)
        if needs_approval(form.cleaned_data["merchant"].pk, Matter.KEYS):
            return self._ask(request, proposed_key(form))
        try:
            with transaction.atomic():
                key, secret = make_key(
                    form.cleaned_data["merchant"],
                    name=form.cleaned_data["name"],
                    scopes=[Scope(each) for each in form.cleaned_data["scopes"]],
                    by=request.user.get_username(),
                    expires_at=form.expires_at,
                    networks=form.cleaned_data["networks"],
                    form_key=form.cleaned_data["form_key"],
                )
                told = self.columns_of(key) | {"scopes": key.scopes, "networks": key.networks}
                self.note(request, key, ADD, "Made an API key", Details(after=told))
        except DuplicateRequest:
            # Another request with the same form was not finished when this one began.
            return self._made_before(request) or HttpResponseRedirect(reverse("admin:api_apikey_changelist"))
        return secret_page(self.admin_site, request, key, secret)

    def rotate_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show the form. If its button was pressed, make the successor of the key."""
        row = self.row_for(request, object_id, request.user.has_perm(PERMISSION))
        if row is None:
            return self.missing(request, object_id)
        successors = list(valid_successors(row))
        # Read after the successors, because a request with the same form may just have made one of them.
        if repeated := self._made_before(request):
            return repeated
        form = RotateForm(request.POST if request.method == "POST" else None, successors=successors)
        if request.method != "POST" or not form.is_valid():
            shown = {"original": row, "facts": list(self.facts(row)), "back": self.address("change", row)}
            return self._page(request, "form.html", form=form, title="Rotate", **shown)
        merchant = Merchant.objects.filter(code=row.merchant).first()
        if merchant is not None and needs_approval(merchant.pk, Matter.KEYS):
            return self._ask(request, proposed_rotation(row, merchant, form))
        overlap = timedelta(hours=form.cleaned_data["hours"])
        try:
            with transaction.atomic():
                before = self.columns_of(row)
                key, secret = rotate_key(
                    row.pk,
                    overlap=overlap,
                    by=request.user.get_username(),
                    form_key=form.cleaned_data["form_key"],
                    is_sure=form.cleaned_data.get("is_sure", False),
                )
                self.note_action(request, row, "rotate", f"Replaced the API key by {key}", before)
        except OperationRejected as error:
            # A request with the same form may have replaced the key in the meantime.
            return self._made_before(request) or self.back(
                request, row, messages.ERROR, f"Nothing was changed. {error}"
            )
        return secret_page(self.admin_site, request, key, secret)

    def _ask(self, request: HttpRequest, proposal: Proposal) -> HttpResponse:
        try:
            with transaction.atomic():
                return ask_for_approval(request, proposal)
        except DuplicateRequest as error:
            self.message_user(request, f"Nothing was requested. {error}", messages.ERROR)
            return HttpResponseRedirect(reverse("admin:api_apikey_changelist"))

    def _made_before(self, request: HttpRequest) -> HttpResponse | None:
        """Return the answer to a form that was submitted before, because of a double click or a reload."""
        form = OnceForm(request.POST)
        key = (
            self.get_queryset(request).filter(form_key=form.cleaned_data["form_key"]).first()
            if form.is_valid()
            else None
        )
        return None if key is None else self.back(request, key, messages.WARNING, MADE_ONCE.format(key=key))

    def _page(self, request: HttpRequest, template: str, **context: Any) -> HttpResponse:
        return _page(self.admin_site, request, template, **context)


def secret_page(site: AdminSite, request: HttpRequest, key: ApiKey, secret: str) -> HttpResponse:
    """Return the page with the secret of a new key. It is shown once, and must not be cached."""
    address = reverse("admin:api_apikey_change", args=[key.pk])
    title = "The new API key"
    return _page(site, request, "secret.html", title=title, original=key, secret=secret, back=address)


def _page(site: AdminSite, request: HttpRequest, template: str, **context: Any) -> HttpResponse:
    context = {**site.each_context(request), "opts": ApiKey._meta, **context}
    headers = {"Cache-Control": "no-store"}
    return TemplateResponse(request, f"admin/api/{template}", context, headers=headers)


@admin.register(IdempotencyRecord)
class IdempotencyRecordAdmin(ReadOnlyAdmin):
    list_display = ("key", "route", "merchant", "status", "subject", "created_at")
    list_filter = ("merchant",)
    search_fields = ("key", "subject")
    fields = ("key", "route", "merchant", "status", "subject", "location", "held_until", "created_at")
