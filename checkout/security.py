"""Middleware that every request passes: security headers, and the guard that keeps card numbers out.

Both run on the event loop as well as in threads and block neither.
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

from checkout import problems
from checkout.card_numbers import has_long_run
from checkout.conf import conf
from checkout.scrubbing import contains_card_number

V = TypeVar("V", bound=Callable[..., Awaitable[Any]])

# In the ASGI scope: why the request was not let in, or its body not read (see admission.py and limits.py).
REFUSED = "checkout.refused"

GetResponse = Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]

# Visible ASCII without the characters that end a source, a directive or a policy (CSP 3, section 2.2.1).
_SOURCE = re.compile(r"[!-+\--:<-~]+")


class ContentSecurity:
    """The Content-Security-Policy of one response: strict, until a page allows more.

    A page that asks for the nonce may run the scripts that carry it, and no others. A page that does not (the
    back office) may run our own files.
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
        """Return True if the page has allowed nothing."""
        return self._sources is self._STRICT and not self._nonce

    @property
    def nonce(self) -> str:
        """The value of a script tag's ``nonce``."""
        self._nonce = self._nonce or secrets.token_urlsafe(16)
        return self._nonce

    def allow(self, directive: str, *sources: str) -> None:
        """Allow further sources; raises ValueError for one that would say more than that."""
        if not all(_SOURCE.fullmatch(source) for source in sources):
            raise ValueError(f"No source of a policy: {sources}.")
        known = [source for source in self._sources.get(directive, []) if source != "'none'"]
        added = [source for source in sources if source not in known]
        # Never in place: all policies begin with the same sources.
        self._sources = {**self._sources, directive: known + added}

    @property
    def frame_options(self) -> str:
        """The same as ``frame-ancestors``, in the words of older browsers."""
        return "DENY" if self._sources["frame-ancestors"] == ["'none'"] else "SAMEORIGIN"

    def __str__(self) -> str:
        scripts = f"'nonce-{self._nonce}'" if self._nonce else "'self'"
        sources = {**self._sources, "script-src": [scripts]}
        return "; ".join(f"{directive} {' '.join(allowed)}" for directive, allowed in sources.items())


def content_security(request: HttpRequest) -> ContentSecurity:
    """Return the policy that the response to ``request`` will have."""
    return cast(ContentSecurity, request.content_security)  # type: ignore[attr-defined]


class HybridMiddleware:
    """A middleware of two plain functions, for both kinds of handler, without a change of thread."""

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
        """Return a response to answer without asking anybody further in."""
        return None

    async def before_on_loop(self, request: HttpRequest) -> HttpResponseBase | None:
        """Do the same on the event loop, which must not be held up."""
        return self.before(request)

    def after(self, request: HttpRequest, response: HttpResponseBase) -> None:
        """Change the response."""


class SecurityHeadersMiddleware(HybridMiddleware):
    """Headers that limit what a browser does with our pages. A view may set its own."""

    def before(self, request: HttpRequest) -> HttpResponseBase | None:
        request.content_security = ContentSecurity()  # type: ignore[attr-defined]
        return None

    def after(self, request: HttpRequest, response: HttpResponseBase) -> None:
        for name, value in _headers_of(content_security(request), is_tls=_is_tls()).items():
            response.headers.setdefault(name, value)


def encoded_headers(request: HttpRequest, response: HttpResponseBase) -> Collection[tuple[bytes, bytes]]:
    """Return what the middleware would have set, for a response on its way out.

    Nearly all of them have the same: those are encoded once.
    """
    policy = content_security(request)
    encoded = _strict(is_tls=_is_tls()) if policy.is_strict else _encoded(policy, is_tls=_is_tls())
    own = {name.lower() for name in response.headers}
    if encoded.keys().isdisjoint(own):
        return encoded.values()
    return [pair for name, pair in encoded.items() if name not in own]


def strict_headers() -> Collection[tuple[bytes, bytes]]:
    """Return the headers of a response that is no page and allows nothing."""
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
        # protection refuses. Other sites are told nothing either way.
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    }


# Identifiers with letters (UUIDs, sealed cards, tokens) may hold a long run of digits by chance. Each word is
# looked at once, from its beginning: tried from each of its characters, a body of digits would take minutes.
_IDENTIFIER = re.compile(r"(?<![\w-])(?:[^\WA-Za-z_]++|-)*+[A-Za-z_][\w-]*")
# JSON may write any character so, and those beyond the first 65,536 as two.
_ESCAPED = re.compile(r"\\u([0-9A-Fa-f]{4})")
_PAYMENT = re.compile(r"/checkout/pay_[0-9a-f]{32}/")
# The types of content that Django makes ``request.POST`` of.
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
_UNREADABLE = (BadRequest, SuspiciousOperation, MultiPartParserError, UnreadablePostError)
_WITH_BODY = ("POST", "PUT", "PATCH")

# A body of more bytes than our own forms have is parsed and searched in a thread. There is one thread, so
# that those who send such bodies wait for each other, and take no more than a share of the processor.
LARGE_BODY_BYTES = 16_384
_reader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="body")


class CardNumberGuardMiddleware(HybridMiddleware):
    """Refuses a request that holds a card number, or that is no request to us; nothing of it is logged.

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
            # No address is resolved for it, and yet a shopper should find back to the payment.
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


# RFC 1035, section 2.3.4, and a port.
_LONGEST_HOST = 255 + 6


def _require_known_host(request: HttpRequest) -> None:
    """Raise DisallowedHost for a host that is not ours. Which ones are is found out once for each name."""
    host = request.META.get("HTTP_HOST")
    if host is None or len(host) > _LONGEST_HOST or "HTTP_X_FORWARDED_HOST" in request.META:
        request.get_host()
    else:
        require_host(host)


# A host that is refused is not kept.
@lru_cache(maxsize=256)
def require_host(host: str) -> None:
    """Raise DisallowedHost for what is not the name of one of our hosts."""
    request = HttpRequest()
    request.META["HTTP_HOST"] = host
    request.get_host()


def _forget_hosts(**_change: object) -> None:
    require_host.cache_clear()


# As tests change them: settings of a process that runs stay as they are.
setting_changed.connect(_forget_hosts)


def _refused(request: HttpRequest) -> problems.Problem | None:
    """Return why the server or the layers outside Django have refused the request."""
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
    # Parses a form now, where a malformed one can still be answered. It is looked at as the view will see
    # it: a part may be encoded in its own way.
    fields = "\n".join(part for name, values in request.POST.lists() for part in (name, *values))
    return f"{text}\n{fields}"


def _with_escapes_read(text: str) -> str:
    if "\\u" not in text:
        return text
    read = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)
    return f"{text}\n{read.encode('utf-16', 'surrogatepass').decode('utf-16', 'replace')}"


def csrf_exempt(view: V) -> V:
    """Let another site post to an asynchronous view; Django's decorator puts a coroutine around its own."""
    view.csrf_exempt = True  # type: ignore[attr-defined]  # what CsrfViewMiddleware looks for
    return view
