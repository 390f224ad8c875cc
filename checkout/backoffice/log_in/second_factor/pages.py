"""The pages on which users set up their second factor, and confirm their identity."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib.admin import AdminSite
from django.contrib.auth import authenticate
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django_otp import login as verify_session

from checkout.backoffice.audited import note, subject_of
from checkout.backoffice.log_in.log_in import locked_out
from checkout.backoffice.log_in.second_factor import devices
from checkout.backoffice.log_in.second_factor.gate import (
    ASK,
    RECOVERY,
    SET_UP,
    confirm,
    is_confirmed,
    page_address,
)
from checkout.backoffice.log_in.second_factor.models import RecoveryCodes
from checkout.backoffice.log_in.sessions import keep_factor
from checkout.errors import StoredSecretUnreadable
from checkout.privacy.stored_secrets import open_secret, seal_secret

# The session's key for the secret of an app that is being set up.
NEW_APP = "checkout.new_factor"
WRONG_CODE = (
    "This code is not right, or came too soon after a wrong one. Wait for the next code and try again."
)


class CodeForm(forms.Form):
    """A form for a code of the authenticator app, or a recovery code."""

    code = forms.CharField(
        max_length=40,
        widget=forms.TextInput(
            attrs={"autocomplete": "one-time-code", "autofocus": True, "spellcheck": "false"}
        ),
        help_text="Six digits from your authenticator app, or a recovery code.",
    )


class DeviceForm(CodeForm):
    """A form for the first code of a new device and, if it replaces another, a code of the old device."""

    def __init__(self, *args: Any, replaces: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["code"].help_text = "The six digits that the app shows now."
        if replaces:
            self.fields["old_code"] = forms.CharField(
                label="Code of the device until now",
                max_length=40,
                widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
                help_text="Six digits that you have not used yet, or one of your recovery codes.",
            )


class PasswordForm(forms.Form):
    """The user's password."""

    password = forms.CharField(
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password", "autofocus": True}),
        strip=False,
    )


def addresses(site: AdminSite) -> list[URLPattern]:
    """Return the URL patterns of these pages."""

    def page(address: str, view: Callable[..., HttpResponse], name: str) -> URLPattern:
        return path(address, site.admin_view(lambda request: view(site, request)), name=name)

    return [
        page("second-factor/", ask, ASK),
        page("second-factor/set-up/", set_up, SET_UP),
        page("second-factor/codes/", recovery_codes, RECOVERY),
    ]


def ask(site: AdminSite, request: HttpRequest) -> HttpResponse:
    """Ask for a code or, if the user has no second factor, for the password."""
    has_factor = devices.has_factor(request.user)
    posted = request.POST if request.method == "POST" else None
    form: forms.Form = CodeForm(posted) if has_factor else PasswordForm(posted)
    if form.is_valid():
        is_right = _check_code(request, form) if has_factor else _check_password(request, form)
        if is_right:
            confirm(request)
            # The session gets a new key, so that a cookie that was stolen before the confirmation is useless.
            request.session.cycle_key()
            return HttpResponseRedirect(_next(request))
        if getattr(request, "axes_locked_out", False):
            return locked_out(request, HttpResponse(), None)
    context = {"form": form, "has_factor": has_factor, "title": "Confirm that it is you"}
    return _page(site, request, "ask.html", **context)


def set_up(site: AdminSite, request: HttpRequest) -> HttpResponse:
    """Show a secret for the app, and take its first code. Then show the recovery codes once.

    Until the code is accepted, the session keeps the secret. Each display of the page makes a new one, so
    that nobody who saw an earlier display knows it.
    """
    replaces = devices.has_factor(request.user)
    if (replaces and not _is_verified(request)) or not is_confirmed(request):
        return HttpResponseRedirect(page_address(ASK, request))
    form = DeviceForm(request.POST if request.method == "POST" else None, replaces=replaces)
    secret = _secret_shown(request)
    if form.is_valid():
        if replaces and devices.match(request.user, form.cleaned_data["old_code"]) is None:
            note(request, "factor_failed", "Failed to replace a second factor", subject_of(request.user))
            form.add_error("old_code", WRONG_CODE)
        elif codes := _finish(request, secret, form.cleaned_data["code"].strip()):
            return _page(
                site, request, "codes.html", codes=codes, next=_next(request), title="Your recovery codes"
            )
        else:
            form.add_error("code", WRONG_CODE)
    context = {"form": form, "image": devices.qr_code(request.user, secret)}
    context |= {"secret": devices.in_groups(secret), "title": "Set up a second factor"}
    return _page(site, request, "set_up.html", **context)


def recovery_codes(site: AdminSite, request: HttpRequest) -> HttpResponse:
    """Make new recovery codes, and show them once."""
    if not devices.has_factor(request.user):
        return HttpResponseRedirect(reverse(f"admin:{SET_UP}"))
    if request.method != "POST":
        left = devices.codes_left(request.user)
        return _page(site, request, "new_codes.html", left=left, title="Second factor")
    with transaction.atomic():
        codes = devices.new_codes(request.user)
        note(request, "new_codes", "Made new recovery codes", subject_of(request.user))
    return _page(
        site, request, "codes.html", codes=codes, next=reverse("admin:index"), title="Your recovery codes"
    )


def _secret_shown(request: HttpRequest) -> bytes:
    """Return the secret that the submitted form has shown.

    If the page is only displayed, return a new one.
    """
    owner = f"{NEW_APP} {request.user.pk}"
    kept = request.session.get(NEW_APP, "") if request.method == "POST" else ""
    try:
        return bytes.fromhex(open_secret(kept, owner))
    except StoredSecretUnreadable:
        secret = devices.new_secret()
        request.session[NEW_APP] = seal_secret(secret.hex(), owner)
        return secret


@transaction.atomic
def _finish(request: HttpRequest, secret: bytes, code: str) -> list[str]:
    """Set up the second factor, and return the recovery codes; none if ``code`` is wrong."""
    device = devices.finish(request.user, secret, code)
    if device is None:
        return []
    del request.session[NEW_APP]
    verify_session(request, device)
    confirm(request)
    keep_factor(request)
    request.session.cycle_key()
    codes = devices.new_codes(request.user)
    note(request, "set_up_factor", "Set up a second factor", subject_of(request.user))
    return codes


def _check_code(request: HttpRequest, form: forms.Form) -> bool:
    device = devices.match(request.user, form.cleaned_data["code"])
    if device is None:
        note(request, "factor_failed", "Failed to confirm with a second factor", subject_of(request.user))
        form.add_error("code", WRONG_CODE)
        return False
    verify_session(request, device)
    kind = "a recovery code" if isinstance(device, RecoveryCodes) else "an authenticator app"
    note(request, "confirm", f"Confirmed with {kind}", subject_of(request.user))
    return True


def _check_password(request: HttpRequest, form: forms.Form) -> bool:
    name = request.user.get_username()
    if authenticate(request, username=name, password=form.cleaned_data["password"]) is None:
        form.add_error("password", "This password is not right.")
        return False
    note(request, "confirm", "Confirmed with the password", subject_of(request.user))
    return True


def _is_verified(request: HttpRequest) -> bool:
    user: Any = request.user
    return bool(user.is_verified())


def _next(request: HttpRequest) -> str:
    """Return the address to which the user wanted to go; the start page if it is not one of ours."""
    wanted = request.GET.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure())
    return wanted if is_ours else reverse("admin:index")


def _page(site: AdminSite, request: HttpRequest, template: str, **context: Any) -> HttpResponse:
    context = {**site.each_context(request), **context}
    headers = {"Cache-Control": "no-store"}
    return TemplateResponse(request, f"admin/second_factor/{template}", context, headers=headers)
