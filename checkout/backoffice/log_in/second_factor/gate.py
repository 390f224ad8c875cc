"""The checks before each page of the back office: the second factor, and a recent confirmation.

A confirmation is a code of the second factor or, for a user who has none, the password. A log-in counts as a
confirmation.
"""

import time
from typing import Any

from django.contrib.auth.signals import user_logged_in
from django.http import HttpRequest
from django.urls import reverse
from django.utils.http import urlencode

from checkout.backoffice.log_in.second_factor.devices import has_factor
from checkout.conf import conf

CONFIRMED = "checkout.confirmed"
ASK, SET_UP, RECOVERY = "second_factor", "second_factor_set_up", "second_factor_codes"
# The pages of these checks, and other pages that every user needs.
_OPEN = frozenset({ASK, SET_UP, RECOVERY, "logout", "jsi18n", "session"})
# The pages that move money or make keys, by the names of their addresses.
MONEY_AND_KEYS = frozenset(
    {
        *(f"payments_payment_{page}" for page in ("capture", "void", "refund", "settle")),
        *("payments_payment_bulk_capture", "payments_payment_bulk_refund"),
        *("payments_operation_settle", "payments_saga_settle"),
        *(f"api_apikey_{page}" for page in ("add", "rotate", "revoke")),
        *(f"webhooks_webhookendpoint_{page}" for page in ("add", "change", "rotate")),
        *(f"payments_approvalrequest_{page}" for page in ("approve", "decline", "make_key")),
        *(f"payments_approvalrule_{page}" for page in ("add", "change", "delete")),
        *(f"payments_provideraccount_{page}" for page in ("add", "change", "delete")),
        *(f"auth_user_{page}" for page in ("add", "change", "delete", "password_change", "reset")),
        *(f"auth_group_{page}" for page in ("add", "change", "delete")),
        RECOVERY,
    }
)


def is_required() -> bool:
    """Return True if all staff need a second factor."""
    return conf.requires_second_factor and not conf.is_try_out


def missing(request: HttpRequest) -> str:
    """Return the address of the page on which the user has to confirm first; empty if no check fails."""
    name = _page_of(request)
    user: Any = request.user
    if name in _OPEN - {RECOVERY}:
        return ""
    if not user.is_verified():
        if has_factor(user):
            return page_address(ASK, request)
        if is_required():
            return page_address(SET_UP, request)
    if name in MONEY_AND_KEYS and not is_confirmed(request):
        return page_address(ASK, request)
    return ""


def _page_of(request: HttpRequest) -> str:
    """Return the name of the requested address. For an action of a list, return the name of a row's page."""
    name = (request.resolver_match.url_name if request.resolver_match else None) or ""
    action = request.POST.get("action", "") if name.endswith("_changelist") else ""
    return name.replace("_changelist", f"_{action.removesuffix('_selected')}") if action else name


def is_confirmed(request: HttpRequest) -> bool:
    """Return True if there is a recent confirmation.

    For submitted forms the time is doubled, because they were opened after the confirmation.
    """
    confirmed = request.session.get(CONFIRMED)
    if not isinstance(confirmed, float):
        return False
    lifetime = conf.confirmation_lifetime.total_seconds()
    return time.time() - confirmed < (2 * lifetime if request.method == "POST" else lifetime)


def confirm(request: HttpRequest) -> None:
    """Store the present time as that of the user's confirmation."""
    request.session[CONFIRMED] = time.time()


def keep_confirmations() -> None:
    """Set up the signal handler that counts a log-in as a confirmation."""
    user_logged_in.connect(_begin, dispatch_uid="checkout.confirmed")


def _begin(request: HttpRequest, **_signal: object) -> None:
    confirm(request)


def page_address(page: str, request: HttpRequest) -> str:
    """Return the address of a page of these checks that leads back to the requested page."""
    return f"{reverse(f'admin:{page}')}?{urlencode({'next': request.get_full_path()})}"
