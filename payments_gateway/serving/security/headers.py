"""The security headers of all responses."""

import re
import secrets
from collections.abc import Collection, Iterable, Mapping
from functools import cache
from typing import cast

from django.http import HttpRequest, HttpResponseBase

from payments_gateway.serving.conf import conf
from payments_gateway.serving.security.hybrid_middleware import HybridMiddleware

# Visible ASCII without the characters that end a source, a directive or a policy (CSP 3, section 2.2.1).
_SOURCE = re.compile(r"[!-+\--:<-~]+")


class ContentSecurity:
    """The Content-Security-Policy of one response: strict, unless a page allows more.

    A page with the nonce may run only the scripts that carry it. A page without it, such as one of the back
    office, may run our own script files.
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
        """Allow further sources. Raises ValueError for text that is more than one source."""
        if not all(_SOURCE.fullmatch(source) for source in sources):
            raise ValueError(f"No source of a policy: {sources}.")
        known = [source for source in self._sources.get(directive, []) if source != "'none'"]
        added = [source for source in sources if source not in known]
        # A new mapping, because all policies share the initial one.
        self._sources = {**self._sources, directive: known + added}

    @property
    def frame_options(self) -> str:
        """The X-Frame-Options for older browsers, equivalent to ``frame-ancestors``."""
        return "DENY" if self._sources["frame-ancestors"] == ["'none'"] else "SAMEORIGIN"

    def __str__(self) -> str:
        scripts = f"'nonce-{self._nonce}'" if self._nonce else "'self'"
        sources = {**self._sources, "script-src": [scripts]}
        return "; ".join(f"{directive} {' '.join(allowed)}" for directive, allowed in sources.items())


def content_security(request: HttpRequest) -> ContentSecurity:
    """Return the policy that the response to ``request`` will have."""
    return cast(ContentSecurity, request.content_security)  # type: ignore[attr-defined]


class SecurityHeadersMiddleware(HybridMiddleware):
    """A middleware that sets headers to restrict what browsers do with our pages. A view may set its own."""

    def before(self, request: HttpRequest) -> HttpResponseBase | None:
        request.content_security = ContentSecurity()  # type: ignore[attr-defined]
        return None

    def after(self, request: HttpRequest, response: HttpResponseBase) -> None:
        for name, value in _headers_of(content_security(request), is_tls=conf.is_tls).items():
            response.headers.setdefault(name, value)


def encoded_headers(policy: ContentSecurity, own: Iterable[str]) -> Collection[tuple[bytes, bytes]]:
    """Return the headers that the middleware would set, encoded, for a response with its ``own`` headers.

    Nearly all responses have the same headers, which are encoded only once.
    """
    encoded = _strict(is_tls=conf.is_tls) if policy.is_strict else _encoded(policy, is_tls=conf.is_tls)
    names = {name.lower() for name in own}
    if encoded.keys().isdisjoint(names):
        return encoded.values()
    return [pair for name, pair in encoded.items() if name not in names]


def strict_headers() -> Collection[tuple[bytes, bytes]]:
    """Return the headers of a response that is not a page and allows nothing."""
    return _strict(is_tls=conf.is_tls).values()


@cache
def _strict(*, is_tls: bool) -> dict[str, tuple[bytes, bytes]]:
    return _encoded(ContentSecurity(), is_tls=is_tls)


def _encoded(policy: ContentSecurity, *, is_tls: bool) -> dict[str, tuple[bytes, bytes]]:
    headers = _headers_of(policy, is_tls=is_tls)
    return {name.lower(): (name.encode(), value.encode()) for name, value in headers.items()}


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
