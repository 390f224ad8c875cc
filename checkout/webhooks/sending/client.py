"""One HTTP request to an endpoint, and its possible results. Requests are not repeated here.

Redirects are not followed, proxies of the environment are ignored, cookies are not stored, and bodies are not
decompressed.
"""

import asyncio
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache

import aiohttp
from yarl import URL

from checkout.conf.origins import Scheme
from checkout.webhooks.sending.connections import Connector
from checkout.webhooks.sending.resolver import (
    AddressRefused,
    LookUp,
    LookUpNotBegun,
    SystemLookUp,
    for_merchant,
)
from checkout.webhooks.url_policy import url_error

ATTEMPT_SECONDS = 15.0
MAX_RESPONSE_BYTES = 65_536
KEPT_BYTES = 2_000
_CHUNK_BYTES = 8_192
USER_AGENT = "payments-gateway-webhooks/1"


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of one attempt: the status of a complete response, or else the kind of error.

    ``retry_after`` is the pause in seconds that the endpoint asks for, ``response`` the beginning of the
    body. If ``is_ours``, the result is a problem of the gateway, and says nothing about the endpoint.
    """

    status: int | None = None
    error: str = ""
    detail: str = ""
    duration_ms: int = 0
    retry_after: float | None = None
    response: bytes = field(default=b"", repr=False)
    is_ours: bool = False

    @property
    def is_success(self) -> bool:
        """Return True if the endpoint has confirmed the webhook."""
        return not self.error and self.status is not None and 200 <= self.status < 300

    @property
    def summary(self) -> str:
        """The result in a few words."""
        return self.error.replace("_", " ") or f"HTTP {self.status}"


class Client:
    """An HTTP client for webhooks. Make and close it on the event loop that uses it.

    ``look_up`` finds the addresses of a name, and ``authorities`` is the TLS context. The default of both is
    the system's.
    """

    def __init__(
        self,
        *,
        look_up: LookUp | None = None,
        authorities: ssl.SSLContext | None = None,
        seconds: float = ATTEMPT_SECONDS,
    ) -> None:
        self._look_up = look_up or SystemLookUp()
        self._authorities = authorities or _of_the_system()
        self._seconds = seconds
        self._sessions: Mapping[str, aiohttp.ClientSession] = {
            "http": self._session("http"),
            "https": self._session("https"),
        }

    def _session(self, scheme: Scheme) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=Connector(scheme, self._look_up, self._authorities),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            timeout=aiohttp.ClientTimeout(total=None),
        )

    async def close(self) -> None:
        """Close all connections."""
        for session in self._sessions.values():
            await session.close()
        if isinstance(self._look_up, SystemLookUp):
            self._look_up.close()

    async def post(self, url: str, headers: Mapping[str, str], body: bytes, *, merchant: str = "") -> Answer:
        """Send the webhook once, and return its result within ``seconds``. Raises nothing."""
        began = time.monotonic()
        for_merchant.set(merchant)
        try:
            async with asyncio.timeout(self._seconds):
                answer = await self._exchange(url, headers, body)
        except Exception as error:
            answer = _meaning(error)
        return replace(answer, duration_ms=round((time.monotonic() - began) * 1000))

    async def _exchange(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        _require_allowed(url)
        target = URL(url, encoded=True)
        async with self._sessions[target.scheme].post(
            target,
            data=body,
            headers={
                **headers,
                "Content-Type": "application/json",
                "User-Agent": USER_AGENT,
                "Accept-Encoding": "identity",
            },
            allow_redirects=False,
        ) as response:
            kept, size = b"", 0
            async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
                size += len(chunk)
                kept += chunk[: KEPT_BYTES - len(kept)]
                if size > MAX_RESPONSE_BYTES:
                    # The status is known, and the rest of the body is not needed.
                    response.close()
                    break
            return Answer(
                status=response.status,
                retry_after=_seconds_of(response.headers.get("Retry-After", "")),
                response=kept,
            )


@cache
def _of_the_system() -> ssl.SSLContext:
    """Return a TLS context with the system's certificate authorities. Reading them takes 10 ms."""
    return ssl.create_default_context()


def _require_allowed(url: str) -> None:
    """Check a URL without a look-up. For a host that is an IP address, aiohttp does not call the resolver."""
    if fault := url_error(url):
        raise AddressRefused(f"The address {fault}")


def _meaning(error: BaseException) -> Answer:
    """Return the kind of error, as ``docs/webhooks.md`` lists them."""
    # If an answer is not HTTP, aiohttp's error has the status 400, which the endpoint did not send.
    text = error.message if isinstance(error, aiohttp.ClientResponseError) else str(error)
    detail = (text or type(error).__name__)[:200]
    causes = list(_chain(error))
    if any(isinstance(each, LookUpNotBegun) for each in causes):
        return Answer(error="look_up_not_begun", detail=detail, is_ours=True)
    if refused := next((each for each in causes if isinstance(each, AddressRefused)), None):
        return Answer(error="address_refused", detail=str(refused)[:200])
    if any(isinstance(each, TimeoutError) for each in causes):
        return Answer(error="timed_out", detail="There was no complete response in time.")
    if any(isinstance(each, socket.gaierror) for each in causes):
        return Answer(error="no_such_host", detail=detail)
    if any(isinstance(each, ssl.SSLError | ssl.CertificateError) for each in causes):
        return Answer(error="tls_failed", detail=detail)
    if isinstance(error, aiohttp.ClientConnectorError):
        return Answer(error="not_connected", detail=detail)
    if isinstance(error, aiohttp.ClientError | OSError):
        return Answer(error="broken_off", detail=detail)
    return Answer(error="failed", detail=detail)


def _chain(error: BaseException | None) -> list[BaseException]:
    """Return the error, its causes, and the errors of all addresses that were tried."""
    chain: list[BaseException] = []
    waiting = [error]
    while waiting:
        each = waiting.pop()
        if each is None or each in chain:
            continue
        chain.append(each)
        waiting += [each.__cause__, each.__context__, getattr(each, "os_error", None)]
        if isinstance(each, BaseExceptionGroup):
            waiting += each.exceptions
    return chain


def _seconds_of(text: str) -> float | None:
    """Return the seconds in a ``Retry-After``: a number or a date (RFC 9110, 10.2.3).

    None if it is neither.
    """
    text = text.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        until = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return max(0.0, (until - datetime.now(UTC)).total_seconds())
