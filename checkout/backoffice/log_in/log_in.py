"""Log-in to the back office: the rules by which django-axes counts failures.

After a number of failures nobody can log in as that user, or from that address, for a while. Failures for one
name from all addresses count together, so that guessing from many addresses is no faster than from one.
Strangers must not be able to lock out a member of staff in this way. Therefore, in a browser or from an
address from which the user has logged in before, only the failures in that browser or from that address
count.
"""

from datetime import timedelta
from math import ceil
from typing import Any

from axes.models import AccessLog
from django.contrib.auth import get_user_model
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.crypto import salted_hmac

from checkout import problems
from checkout.backoffice.display.values import quantity_text
from checkout.backoffice.log_in import known_networks
from checkout.backoffice.log_in.known_browsers import browser_of
from checkout.conf import conf
from checkout.conf.networks import identity_of
from payments_gateway.serving.problems import Problem

# The keys by which failures are counted, in the form of django-axes' setting.
BY_USER_AND_ADDRESS = [["username", "ip_address"]]
BY_USER_OR_ADDRESS = ["username", "ip_address"]
BY_BROWSER = ["username"]  # the username of a known browser names the browser, too


def client_address(request: HttpRequest) -> str | None:
    """Return the client's address as the server sees it, or its /64 network for IPv6."""
    try:
        return identity_of(request.META.get("REMOTE_ADDR") or "")
    except ValueError:
        return None


def name_to_keep(request: HttpRequest, credentials: dict[str, Any] | None) -> str:
    """Return the name under which failures are counted: the user or, in a known browser, user and browser.

    If no user has the typed name, its keyed hash is returned, because it may be a password typed by mistake.
    """
    typed = typed_name(credentials)
    if not _is_user(typed):
        return f"unknown {salted_hmac('checkout.log_in', typed, algorithm='sha256').hexdigest()[:32]}"
    browser = browser_of(request)
    return f"{typed} in browser {browser.id}" if browser is not None and browser.user == typed else typed


def counted_by(request: HttpRequest, credentials: dict[str, Any] | None = None) -> list[Any]:
    """Return the keys by which failures are counted for this log-in (see the module's docstring)."""
    typed, browser = typed_name(credentials), browser_of(request)
    if browser is not None and browser.user == typed and _is_user(typed):
        return BY_BROWSER
    known = AccessLog.objects.filter(
        username=typed,
        ip_address=client_address(request),
        attempt_time__gt=timezone.now() - conf.retention,
    )
    return BY_USER_AND_ADDRESS if known.exists() else BY_USER_OR_ADDRESS


async def is_known(request: HttpRequest) -> bool:
    """Return True if some member of staff has lately logged in from the request's browser or network."""
    return browser_of(request) is not None or await known_networks.networks.has(client_address(request))


def locked_out(request: HttpRequest, _response: HttpResponse, _credentials: object) -> HttpResponse:
    """Return the page for a client with too many failures."""
    return problems.respond(request, too_many_failures(conf.login_lock))


def too_many_failures(lock: timedelta) -> Problem:
    """Return the problem for a client with too many failures, with the longest time that the lock lasts."""
    minutes = ceil(lock.total_seconds() / 60)
    return Problem(
        429,
        "too_many_log_ins",
        "Too many attempts to log in",
        "Logging in with this name, or from here, is not possible for up to "
        f"{quantity_text(minutes, 'minute')}. If it was not you who tried, use a browser or a network from "
        "which you have logged in before, or ask your administrator.",
        {"Retry-After": str(ceil(lock.total_seconds()))},
    )


def typed_name(credentials: dict[str, Any] | None) -> str:
    """Return the user name that was typed; empty if none was."""
    return str((credentials or {}).get("username") or "")


def _is_user(name: str) -> bool:
    return bool(name) and get_user_model().objects.filter(username=name).exists()
