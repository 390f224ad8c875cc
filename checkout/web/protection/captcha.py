"""The CAPTCHA before the card form: the interface for implementations, and the cookie for a solved one.

``CHECKOUT_CAPTCHA`` names a class by its dotted path. docs/card-testing.md has an example.
"""

import asyncio
from functools import lru_cache
from typing import Protocol, cast

import structlog
from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.module_loading import import_string

from checkout.conf import conf
from checkout.errors import TooManyAttempts
from checkout.rates import RateLimit
from payments_gateway.serving.clients import network_of

log = structlog.get_logger(__name__)

COOKIE = "checkout_pass"
CHECK_SECONDS = 5.0
# The most answers per minute from one address, for each web process. Checking one may cost money.
MOST_ANSWERS = 30
_SALT = "checkout.web.protection.captcha"
# This is long enough to find a card and to type its data.
_LIFETIME_SECONDS = 1800

answers = RateLimit("captcha_answers_per_address")


class Captcha(Protocol):
    """A task that people solve more easily than programs do. One object serves a whole process."""

    def render(self, request: HttpRequest) -> str:
        """Return safe HTML to be placed in a form. The form has a button below it.

        A script needs ``content_security(request).nonce``. A frame or another host needs
        ``content_security(request).allow(...)``. Both are in ``payments_gateway.serving.security.headers``.
        """
        ...

    async def check(self, request: HttpRequest) -> bool:
        """Return True if the posted data (``request.POST``) has the right answer. An answer is valid once.

        The call runs on the event loop and must not block. It is cancelled after ``CHECK_SECONDS``.
        """
        ...


class NoCaptcha:
    """The default: no CAPTCHA. The checkout then has no page for one."""

    def render(self, request: HttpRequest) -> str:
        """See ``Captcha``."""
        return ""

    async def check(self, request: HttpRequest) -> bool:
        """See ``Captcha``."""
        return True


@lru_cache(maxsize=8)
def _loaded(path: str) -> Captcha:
    return cast(Captcha, import_string(path)())


def get_captcha() -> Captcha:
    """Return the CAPTCHA of the settings."""
    return _loaded(conf.captcha)


def captcha_error() -> str:
    """Return the reason for which the CAPTCHA of the settings cannot be used; empty if it can."""
    try:
        captcha = get_captcha()
    except Exception as error:  # the class comes from the installation, and may raise anything
        return f"CHECKOUT_CAPTCHA cannot be loaded: {error}"
    missing = next((name for name in ("render", "check") if not callable(getattr(captcha, name, None))), "")
    if missing:
        return f"CHECKOUT_CAPTCHA names a class without a method {missing}"
    if not iscoroutinefunction(captcha.check):
        return "CHECKOUT_CAPTCHA names a class whose method check is not asynchronous"
    return ""


async def is_solved(request: HttpRequest) -> bool:
    """Return True if the CAPTCHA accepts the answer; False if it fails or does not return in time.

    Raises ``TooManyAttempts`` if the address has sent too many answers within a minute.
    """
    address = request.META.get("REMOTE_ADDR") or ""
    seconds = answers.seconds_until_allowed(network_of(address), most=MOST_ANSWERS) if address else 0
    if seconds:
        raise TooManyAttempts("Too many answers to the CAPTCHA.", retry_after_seconds=seconds)
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            return await get_captcha().check(request) is True
    except Exception:
        # The implementation comes from the installation, and may use the network. If a failure counted as
        # solved, an attacker would only have to make it fail.
        log.exception("CAPTCHA could not be checked", captcha=conf.captcha)
        return False


def give_pass(response: HttpResponse, reference: str, attempt_number: int) -> None:
    """Set the cookie that allows this browser one try with a card, in one attempt at one payment."""
    response.set_signed_cookie(
        COOKIE,
        f"{reference}:{attempt_number}",
        salt=_SALT,
        max_age=_LIFETIME_SECONDS,
        path=reverse("checkout:checkout", args=[reference]),
        secure=conf.is_tls,
        httponly=True,
        samesite="Lax",
    )


def has_pass(request: HttpRequest, reference: str, attempt_number: int) -> bool:
    """Return True if the browser has solved a CAPTCHA for this attempt."""
    solved = request.get_signed_cookie(COOKIE, default="", salt=_SALT, max_age=_LIFETIME_SECONDS)
    return solved == f"{reference}:{attempt_number}"
