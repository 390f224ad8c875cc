"""The CAPTCHA before the card form: the seam to one, and the pass that a shopper gets for solving it.

``CHECKOUT_CAPTCHA`` names a class by its dotted path. See docs/card-testing.md, which has an example.
"""

import asyncio
from functools import lru_cache
from typing import Protocol, cast

import structlog
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.module_loading import import_string

from checkout.conf import conf
from checkout.errors import TooManyAttempts
from checkout.rates import RateLimit, network_of

log = structlog.get_logger(__name__)

COOKIE = "checkout_pass"
CHECK_SECONDS = 5.0
# Within a minute from one address, for each web process: to check one may cost money.
MOST_ANSWERS = 30
_SALT = "checkout.captcha"
# Time enough to find one's card.
_LIFETIME_SECONDS = 1800

answers = RateLimit()


class Captcha(Protocol):
    """A question that people answer more easily than programs. One object serves a whole process."""

    def render(self, request: HttpRequest) -> str:
        """Return safe HTML for the inside of a form, which has a button of its own below it.

        A script needs ``content_security(request).nonce``, a frame or another host
        ``content_security(request).allow(...)``, both of ``checkout.security``.
        """
        ...

    async def check(self, request: HttpRequest) -> bool:
        """Return True if what was posted (``request.POST``) is a right answer, which counts once.

        It is awaited on the event loop and must not block. After ``CHECK_SECONDS`` it is given up on.
        """
        ...


class NoCaptcha:
    """Asks nothing. The default: with it, the checkout has no such page."""

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


async def is_solved(request: HttpRequest) -> bool:
    """Return what the CAPTCHA says of the answer; False when it fails or says nothing in time.

    Raises ``TooManyAttempts`` for more answers from one address than are looked at within a minute.
    """
    address = request.META.get("REMOTE_ADDR") or ""
    seconds = answers.seconds_until_allowed(network_of(address), most=MOST_ANSWERS) if address else 0
    if seconds:
        raise TooManyAttempts("Too many answers to the CAPTCHA.", retry_after_seconds=seconds)
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            return await get_captcha().check(request) is True
    except Exception:
        # It is somebody else's code, perhaps with a network behind it. Let in unseen, nobody would need it.
        log.exception("CAPTCHA could not be checked", captcha=conf.captcha)
        return False


def give_pass(response: HttpResponse, reference: str, attempt_number: int) -> None:
    """Let the browser that gets this response try one card: it is for one attempt at one payment."""
    value = signing.TimestampSigner(salt=_SALT).sign(f"{reference}:{attempt_number}")
    response.set_cookie(
        COOKIE,
        value,
        max_age=_LIFETIME_SECONDS,
        path=reverse("checkout:checkout", args=[reference]),
        secure=conf.public_url.startswith("https://"),
        httponly=True,
        samesite="Lax",
    )


def has_pass(request: HttpRequest, reference: str, attempt_number: int) -> bool:
    """Return True if the browser has solved a CAPTCHA for this attempt."""
    try:
        signed = signing.TimestampSigner(salt=_SALT).unsign(
            request.COOKIES.get(COOKIE, ""), max_age=_LIFETIME_SECONDS
        )
    except signing.BadSignature:
        return False
    return signed == f"{reference}:{attempt_number}"
