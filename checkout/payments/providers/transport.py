"""HTTP to providers: the only module that sends, and that decides what is certain without a proper answer.

It repeats nothing and follows no redirect, because a request that may have reached a provider may have moved
money. There is no cookie jar: a cookie is sent exactly as the caller set it.
"""

import re
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Literal, Protocol
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPResponse, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, HTTPError, MaxRetryError, NewConnectionError

from checkout.conf import conf
from checkout.errors import OutcomeUnknown, ProviderMisconfigured, ProviderReplyInvalid, ProviderUnavailable
from checkout.payments.providers.addresses import peer_error, require_allowed
from checkout.payments.providers.base import Verb
from checkout.payments.providers.timeouts import CONNECT_SECONDS, READ_SECONDS
from messaging.logs.outage import Outage

MAX_REPLY_BYTES = 65_536
MAX_LIST_BYTES = 8_388_608
_CHUNK_BYTES = 8_192
MOST_IDLE_SECONDS = 3.0
# RFC 9110, 5.5: no control characters, only letters of Latin-1, and no blank at either end.
_HEADER_VALUE = re.compile(r"(?![ \t])[\t\x20-\x7e\xa0-\xff]*(?<![ \t])")


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One message to a provider.

    ``credentials`` are user name and password for Basic authentication. Without them, ``headers``
    authenticates us, for example by ``Authorization: Bearer …`` or a header of the provider's own.
    """

    url: str
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    credentials: tuple[str, str] | None = field(default=None, repr=False)
    method: Literal["POST", "GET", "DELETE"] = "POST"


@dataclass(frozen=True, slots=True)
class HttpReply:
    """A provider's response; ``set_cookies`` are the raw ``Set-Cookie`` headers in their order."""

    status: int
    body: bytes = field(repr=False)
    set_cookies: tuple[str, ...] = field(default=(), repr=False)


class Transport(Protocol):
    """The interface that sends one message and returns the reply."""

    def send(self, verb: Verb, request: HttpRequest) -> HttpReply:
        """Send ``request`` once.

        Raises ``ProviderUnavailable`` (certainly not sent: refused, no such host, no connection in time),
        ``OutcomeUnknown`` (no or broken answer, 5xx), ``ProviderReplyInvalid`` (too large),
        ``ProviderMisconfigured`` (401, 403, certificate not trusted, address impossible or not allowed).
        """
        ...


class _ShortlyIdle(HTTPConnection):
    """A connection that is not used again after a pause.

    A server closes connections that have been idle. If a message is sent at that moment, it is unknown if it
    arrived. The shortest usual limit is five seconds (Apache, Node.js, uvicorn).
    """

    _answered_at = 0.0

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # as in urllib3
        response = super().getresponse()
        self._answered_at = time.monotonic()
        return response

    @property
    def is_connected(self) -> bool:
        """Return True if the connection may be used. If not, urllib3's pool makes a new one."""
        return super().is_connected and time.monotonic() - self._answered_at < MOST_IDLE_SECONDS


class _PlainConnection(_ShortlyIdle):
    def _new_conn(self) -> socket.socket:
        return _checked(self, super()._new_conn())


class _TlsConnection(_ShortlyIdle, HTTPSConnection):
    def _new_conn(self) -> socket.socket:
        return _checked(self, super()._new_conn())


def _checked(connection: HTTPConnection, connected: socket.socket) -> socket.socket:
    """Return the socket. Raises ``ProviderMisconfigured``, with nothing sent, for a private address.

    The check uses the address of the connection itself: a separate look-up of the name could give another
    machine than the one that is connected.
    """
    try:
        fault = peer_error(connected.getpeername()[0])
    except OSError as error:
        connected.close()
        raise NewConnectionError(connection, "The connection was lost at once.") from error
    if fault:
        connected.close()
        raise ProviderMisconfigured(f"The host {connection.host} is not connected to: {fault}.")
    return connected


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _PlainConnection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


class HttpTransport:
    """A transport that shares connections between calls and threads, and has no other state.

    ``ca_file`` contains the trusted certificate authorities; if it is empty, the public ones are trusted.
    """

    def __init__(
        self,
        *,
        connect_seconds: float = CONNECT_SECONDS,
        read_seconds: Mapping[Verb, float] = READ_SECONDS,
        ca_file: str = "",
    ) -> None:
        self._connect_seconds = connect_seconds
        self._read_seconds = read_seconds
        self._authorities = ca_file or True
        # The adapter's own default is no retry. Without a Session around it there are no redirects, no cookie
        # jar, and no proxies or credentials from the environment.
        self._adapter = HTTPAdapter(pool_maxsize=32, max_retries=0)
        self._outages: dict[str, Outage] = {}
        self._adapter.poolmanager.pool_classes_by_scheme = {"http": _PlainPool, "https": _TlsPool}

    def close(self) -> None:
        """Close the idle connections."""
        self._adapter.close()

    def send(self, verb: Verb, request: HttpRequest) -> HttpReply:
        try:
            reply = self._send(verb, request)
        except (ProviderUnavailable, OutcomeUnknown) as error:
            self._outage_of(request).failed(str(error))
            raise
        self._outage_of(request).answered()
        return reply

    def _outage_of(self, request: HttpRequest) -> Outage:
        host = urlsplit(request.url).netloc.rpartition("@")[2]
        return self._outages.setdefault(host, Outage("provider", host=host))

    def _send(self, verb: Verb, request: HttpRequest) -> HttpReply:
        seconds = self._read_seconds[verb]
        deadline = time.monotonic() + self._connect_seconds + seconds
        try:
            with self._adapter.send(
                self._prepare(request),
                stream=True,
                timeout=(self._connect_seconds, seconds),
                verify=self._authorities,
            ) as response:
                body = self._read(
                    response, deadline, MAX_LIST_BYTES if verb == Verb.LIST else MAX_REPLY_BYTES
                )
                cookies = tuple(response.raw.headers.getlist("Set-Cookie"))
        except requests.RequestException as error:
            raise _meaning(error) from error
        except (HTTPError, OSError) as error:
            raise OutcomeUnknown("The provider's answer broke off.") from error
        if response.status_code in (401, 403):
            raise ProviderMisconfigured(
                f"The provider refused our credentials (HTTP {response.status_code})."
            )
        if response.status_code >= 500:
            raise OutcomeUnknown(f"The provider answered with HTTP {response.status_code}.")
        return HttpReply(response.status_code, body, cookies)

    @staticmethod
    def _prepare(request: HttpRequest) -> requests.PreparedRequest:
        require_allowed(request.url, "provider's endpoint")
        if fault := _fault_of(request.headers):
            raise ProviderMisconfigured(fault)
        auth = request.credentials and tuple(text.encode() for text in request.credentials)
        try:
            return requests.Request(
                request.method,
                request.url,
                data=request.body,
                headers={"Accept-Encoding": "identity", **request.headers},
                auth=auth,
            ).prepare()
        except requests.exceptions.InvalidHeader:
            # The error's text contains the header's value, which may be a key.
            raise ProviderMisconfigured("A header has a name or value that cannot be sent.") from None
        except (requests.RequestException, UnicodeError) as error:
            raise ProviderMisconfigured(f"Cannot send to {request.url!r}: {error}") from error

    @staticmethod
    def _read(response: requests.Response, deadline: float, max_bytes: int) -> bytes:
        """Read the body until ``deadline``. A time-out limits each read, and a slow answer needs many."""
        body = b""
        while chunk := response.raw.read1(_CHUNK_BYTES):
            body += chunk
            if len(body) > max_bytes:
                raise ProviderReplyInvalid(f"The provider's answer is larger than {max_bytes} bytes.")
            if time.monotonic() > deadline:
                raise OutcomeUnknown("The provider's answer did not end in time.")
        return body


def _fault_of(headers: Mapping[str, str]) -> str:
    """Return a sentence on the first header that cannot be sent, without its value; empty if all can."""
    for name, value in headers.items():
        if not _HEADER_VALUE.fullmatch(value):
            return f"The header {name} has a character, or a blank at an end, that cannot be sent."
    return ""


def _meaning(error: requests.RequestException) -> Exception:
    """Return our error that states what is certain after ``error``.

    ``requests`` raises ``ConnectionError`` both if no connection could be made and if one broke after the
    message was sent. Only the reason inside distinguishes the two.
    """
    cause = error.args[0] if error.args else None
    reason = cause.reason if isinstance(cause, MaxRetryError) else cause
    if isinstance(reason, NewConnectionError | ConnectTimeoutError):
        return ProviderUnavailable("No connection to the provider.")
    if isinstance(error, requests.exceptions.InvalidURL | requests.exceptions.InvalidSchema):
        return ProviderMisconfigured("The provider's address is not valid.")
    if isinstance(_root(reason), ssl.SSLCertVerificationError):
        return ProviderMisconfigured("The provider's certificate is not trusted; nothing was sent.")
    if isinstance(error, requests.Timeout):
        return OutcomeUnknown("The provider did not answer in time.")
    return OutcomeUnknown("The connection to the provider broke.")


def _root(error: object) -> object:
    while isinstance(error, HTTPError) and error.args and isinstance(error.args[-1], BaseException):
        error = error.args[-1]
    return error


@cache
def shared_transport() -> HttpTransport:
    """Return this process's transport, so that connections are reused."""
    timeouts = conf.provider_timeouts
    return HttpTransport(
        connect_seconds=timeouts.get("connect", CONNECT_SECONDS),
        read_seconds={verb: timeouts.get(verb, seconds) for verb, seconds in READ_SECONDS.items()},
        ca_file=conf.provider_ca_file,
    )
