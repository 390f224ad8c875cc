"""Middleware for all requests: security headers, and the guard that keeps card numbers out.

Both run on the event loop as well as in threads, and block neither.
"""

import re
import secrets
from collections.abc import Awaitable, Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache, lru_cache
from typing import Any, TypeVar, cast
from urllib.parse import unquote_plus

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.core.exceptions import BadRequest, SuspiciousOperation
from django.core.signals import setting_changed
from django.http import HttpRequest, HttpResponseBase, UnreadablePostError
from django.http.multipartparser import MultiPartParserError

from checkout.conf import conf
from checkout.privacy.card_numbers import has_long_run
from checkout.privacy.scrubbing import contains_card_number
from checkout.web import problems

V = TypeVar("V", bound=Callable[..., Awaitable[Any]])

# In the ASGI scope: why the request was refused, or its body not read (concurrency_limit.py, limits.py).
REFUSED = "checkout.refused"

GetResponse = Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]

# Visible ASCII without the characters that end a source, a directive or a policy (CSP 3, section 2.2.1).
_SOURCE = re.compile(r"[!-+\--:<-~]+")


class ContentSecurity:
    """The Content-Security-Policy of one response: strict, unless a page allows more.

    A page that uses the nonce may run the scripts that carry it, and no others. A page that does not (such as
    the back office) may run our own files.
    """

    __slots__ = ("_nonce", "_sources")

    _STRICT: Mapping[str, list[str]] = {
        "default-src": ["'none'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "connect-src": ["'self'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
        "base-uri": ["'none'"],
    }

    def __init__(self) -> None:
        self._nonce = ""
        self._sources = self._STRICT

    @property
    def is_strict(self) -> bool:
        """Return True if the page has not allowed anything."""
        return self._sources is self._STRICT and not self._nonce

    @property
    def nonce(self) -> str:
        """The value of a script tag's ``nonce``."""
        self._nonce = self._nonce or secrets.token_urlsafe(16)
        return self._nonce

    def allow(self, directive: str, *sources: str) -> None:
        """Allow further sources. Raises ValueError for text that is more than one source."""
        if not all(_SOURCE.fullmatch(source) for source in sources):
            raise ValueError(f"No source of a policy: {sources}.")
        known = [source for source in self._sources.get(directive, []) if source != "'none'"]
        added = [source for source in sources if source not in known]
        # A new mapping, because all policies share the initial one.
        self._sources = {**self._sources, directive: known + added}

    @property
    def frame_options(self) -> str:
        """The equivalent of ``frame-ancestors`` for older browsers."""
        return "DENY" if self._sources["frame-ancestors"] == ["'none'"] else "SAMEORIGIN"

    def __str__(self) -> str:
        scripts = f"'nonce-{self._nonce}'" if self._nonce else "'self'"
        sources = {**self._sources, "script-src": [scripts]}
        return "; ".join(f"{directive} {' '.join(allowed)}" for directive, allowed in sources.items())


def content_security(request: HttpRequest) -> ContentSecurity:
    """Return the policy that the response to ``request`` will have."""
    return cast(ContentSecurity, request.content_security)  # type: ignore[attr-defined]


class HybridMiddleware:
    """A middleware of two plain functions that serves both kinds of handler without a change of thread."""

    sync_capable = async_capable = True

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if self._is_async:
            return self._respond(request)
        response = self.before(request) or cast(HttpResponseBase, self.get_response(request))
        self.after(request, response)
        return response

    async def _respond(self, request: HttpRequest) -> HttpResponseBase:
        response = await self.before_on_loop(request)
        if response is None:
            response = await cast(Awaitable[HttpResponseBase], self.get_response(request))
        self.after(request, response)
        return response

    def before(self, request: HttpRequest) -> HttpResponseBase | None:
        """Return a response to answer the request without calling any inner handler."""
        return None

    async def before_on_loop(self, request: HttpRequest) -> HttpResponseBase | None:
        """Do the same on the event loop, without blocking it."""
        return self.before(request)

    def after(self, request: HttpRequest, response: HttpResponseBase) -> None:
        """Change the response."""


class SecurityHeadersMiddleware(HybridMiddleware):
    """A middleware that sets headers to limit what a browser does with our pages. A view may set its own."""

    def before(self, request: HttpRequest) -> HttpResponseBase | None:
        request.content_security = ContentSecurity()  # type: ignore[attr-defined]
        return None

    def after(self, request: HttpRequest, response: HttpResponseBase) -> None:
        for name, value in _headers_of(content_security(request), is_tls=_is_tls()).items():
            response.headers.setdefault(name, value)


def encoded_headers(request: HttpRequest, response: HttpResponseBase) -> Collection[tuple[bytes, bytes]]:
    """Return the headers that the middleware would set, encoded for a response about to be sent.

    Nearly all responses have the same headers, which are encoded only once.
    """
    policy = content_security(request)
    encoded = _strict(is_tls=_is_tls()) if policy.is_strict else _encoded(policy, is_tls=_is_tls())
    own = {name.lower() for name in response.headers}
    if encoded.keys().isdisjoint(own):
        return encoded.values()
    return [pair for name, pair in encoded.items() if name not in own]


def strict_headers() -> Collection[tuple[bytes, bytes]]:
    """Return the headers of a response that is not a page and allows nothing."""
    return _strict(is_tls=_is_tls()).values()


@cache
def _strict(*, is_tls: bool) -> dict[str, tuple[bytes, bytes]]:
    return _encoded(ContentSecurity(), is_tls=is_tls)


def _encoded(policy: ContentSecurity, *, is_tls: bool) -> dict[str, tuple[bytes, bytes]]:
    headers = _headers_of(policy, is_tls=is_tls)
    return {name.lower(): (name.encode(), value.encode()) for name, value in headers.items()}


def _is_tls() -> bool:
    return conf.public_url.startswith("https://")


def _headers_of(policy: ContentSecurity, *, is_tls: bool) -> dict[str, str]:
    transport = {"Strict-Transport-Security": "max-age=31536000"} if is_tls else {}
    return transport | {
        "Content-Security-Policy": str(policy),
        "X-Frame-Options": policy.frame_options,
        "X-Content-Type-Options": "nosniff",
        # Not `no-referrer`: it makes browsers send `Origin: null` with our own forms, which CSRF
        # protection refuses. Other sites get no referrer either way.
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    }


# Identifiers with letters (UUIDs, sealed cards, tokens) may contain a long run of digits by chance. Each word
# is matched once, from its beginning: tried from each character, a body of digits would take minutes.
_IDENTIFIER = re.compile(r"(?<![\w-])(?:[^\WA-Za-z_]++|-)*+[A-Za-z_][\w-]*")
# JSON may escape any character like this; characters beyond the first 65,536 need two escapes.
_ESCAPED = re.compile(r"\\u([0-9A-Fa-f]{4})")
_PAYMENT = re.compile(r"/checkout/pay_[0-9a-f]{32}/")
# The content types that Django parses into ``request.POST``.
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
_UNREADABLE = (BadRequest, SuspiciousOperation, MultiPartParserError, UnreadablePostError)
_WITH_BODY = ("POST", "PUT", "PATCH")

# A body larger than those of our own forms is parsed and searched in a thread. There is only one thread, so
# that clients with such bodies wait for each other, and use no more than a share of the processor.
LARGE_BODY_BYTES = 16_384
_reader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="body")


class CardNumberGuardMiddleware(HybridMiddleware):
    """A middleware that refuses a request with a card number, or for an unknown host, and logs none of it.

    Notifications are exempt: they are scrubbed before they are stored, and a refused one would be lost.
    """

    async def before_on_loop(self, request: HttpRequest) -> HttpResponseBase | None:
        """See HybridMiddleware."""
        if not _has_large_body(request):
            return self.before(request)
        return await sync_to_async(self.before, thread_sensitive=False, executor=_reader)(request)

    def before(self, request: HttpRequest) -> HttpResponseBase | None:
        refused = _refused(request)
        if refused:
            # No URL is resolved for a refused request, but the shopper should find the way back to the
            # payment.
            payment = _PAYMENT.match(request.path)
            return problems.respond(request, refused, back=payment.group() if payment else "")
        try:
            _require_known_host(request)
            if request.path.startswith("/notifications/"):
                return None
            query = unquote_plus(request.META.get("QUERY_STRING", ""))
            text = _with_escapes_read(f"{request.path}\n{query}\n{_text_of(request)}")
        except _UNREADABLE:
            request._mark_post_parse_error()  # type: ignore[attr-defined]  # else each look at POST raises again
            return problems.respond(request, problems.MALFORMED)
        if has_long_run(text) and contains_card_number(_IDENTIFIER.sub(" ", text)):
            return problems.respond(request, problems.CARD_NUMBER)
        return None


# RFC 1035, section 2.3.4, plus a port.
_LONGEST_HOST = 255 + 6


def _require_known_host(request: HttpRequest) -> None:
    """Raise DisallowedHost for a host that is not ours. The result is cached for each name."""
    host = request.META.get("HTTP_HOST")
    if host is None or len(host) > _LONGEST_HOST or "HTTP_X_FORWARDED_HOST" in request.META:
        request.get_host()
    else:
        require_host(host)


# The cache does not keep refused hosts, because they raise.
@lru_cache(maxsize=256)
def require_host(host: str) -> None:
    """Raise DisallowedHost unless the name is one of our hosts."""
    request = HttpRequest()
    request.META["HTTP_HOST"] = host
    request.get_host()


def _forget_hosts(**_change: object) -> None:
    require_host.cache_clear()


# For tests, which change settings; in a running process they stay the same.
setting_changed.connect(_forget_hosts)


def _refused(request: HttpRequest) -> problems.Problem | None:
    """Return the problem for which the server or a layer outside Django refused the request, or None."""
    return cast(problems.Problem | None, getattr(request, "scope", {}).get(REFUSED))


def _has_large_body(request: HttpRequest) -> bool:
    if request.method not in _WITH_BODY or _refused(request):
        return False
    return len(request.body) > LARGE_BODY_BYTES


def _text_of(request: HttpRequest) -> str:
    if request.method not in _WITH_BODY:
        return ""
    text = request.body.decode("utf-8", "replace")
    if request.content_type not in _FORMS:
        return text
    # This parses a form here, where a malformed one can still be answered. The fields are searched as the
    # view will see them, because a part may have its own encoding.
    fields = "\n".join(part for name, values in request.POST.lists() for part in (name, *values))
    return f"{text}\n{fields}"


def _with_escapes_read(text: str) -> str:
    if "\\u" not in text:
        return text
    read = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)
    return f"{text}\n{read.encode('utf-16', 'surrogatepass').decode('utf-16', 'replace')}"


def csrf_exempt(view: V) -> V:
    """Let another site post to an asynchronous view. Django's decorator would add a coroutine of its own."""
    view.csrf_exempt = True  # type: ignore[attr-defined]  # what CsrfViewMiddleware looks for
    return view
