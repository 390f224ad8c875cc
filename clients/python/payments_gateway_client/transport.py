"""Requests and their repetitions, for both kinds of clients.

A call is repeated only if nothing can be done twice by that. A repetition has the idempotency key of the
first attempt. Reading, changing and deleting are harmless to repeat. Any other call without a key is repeated
only if the gateway refused it unread (429), or if no connection was made.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Self, TypeVar, cast
from urllib.parse import quote

import httpx

from payments_gateway_client.errors import GatewayError, NotReachable, api_error

T = TypeVar("T")
TRIES = 5
TIMEOUT_SECONDS = 60.0
LONGEST_PAUSE_SECONDS = 30.0
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


def quoted(reference: str) -> str:
    """Return an id, quoted for use in an address."""
    return quote(reference, safe="")


@dataclass(frozen=True)
class Call(Generic[T]):
    """One call of the API, whose answer is a ``T``."""

    verb: str
    path: str
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    idempotency_key: str | None = None
    prefer: str | None = None

    def request(self) -> dict[str, Any]:
        """Return the arguments for ``httpx``, which are the same at each attempt."""
        headers = {"Idempotency-Key": self.idempotency_key, "Prefer": self.prefer}
        return {
            "method": self.verb,
            "url": f"api/v1{self.path}",
            "params": {name: _text(value) for name, value in self.query.items() if value is not None},
            "headers": {name: value for name, value in headers.items() if value is not None},
            "json": self.body,
        }

    def page(self, cursor: str) -> "Call[T]":
        """Return the call for another page of the same list."""
        return Call(self.verb, self.path, query={**self.query, "cursor": cursor})

    @property
    def may_be_repeated(self) -> bool:
        """Return True if a repetition cannot do anything that the first request has not done."""
        return self.idempotency_key is not None or self.verb != "POST"


@dataclass(frozen=True)
class _Failure:
    """A failed attempt. ``pause`` is None if the call must not be repeated automatically."""

    error: GatewayError
    pause: float | None


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ",".join(map(_text, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _without_answer(call: Call[Any], tried: int, error: httpx.RequestError) -> _Failure:
    is_repeated = tried < TRIES and (call.may_be_repeated or isinstance(error, _NEVER_SENT))
    told = NotReachable(f"The gateway does not answer: {type(error).__name__} {error}".rstrip())
    return _Failure(told, _pause(tried, None) if is_repeated else None)


def _result(call: Call[Any], tried: int, answer: httpx.Response) -> Any:
    """Return the content of an answer, or a ``_Failure``."""
    try:
        content = answer.json()
    except ValueError:
        content = None
    if answer.is_success and isinstance(content, dict):
        return content
    retry_after = _retry_after(answer)
    problem = content if isinstance(content, dict) else {}
    if answer.status_code < 400:
        error: GatewayError = NotReachable(f"The answer {answer.status_code} is not the gateway's.")
    else:
        error = api_error(answer.status_code, problem, retry_after)
    is_repeated = answer.status_code == 429 or (
        call.may_be_repeated
        and (answer.status_code >= 500 or problem.get("code") == "idempotency_key_in_use")
    )
    # The caller decides about a longer pause, because it knows whether somebody is waiting.
    is_repeated = is_repeated and tried < TRIES and (retry_after or 0) <= LONGEST_PAUSE_SECONDS
    return _Failure(error, _pause(tried, retry_after) if is_repeated else None)


def _retry_after(answer: httpx.Response) -> float | None:
    asked = answer.headers.get("Retry-After", "")
    return float(asked) if asked.isascii() and asked.isdigit() else None


def _pause(tried: int, retry_after: float | None) -> float:
    """Return the seconds until the next attempt, partly random, so that programs do not repeat together."""
    if retry_after is not None:
        return retry_after + random.uniform(0, 0.5)  # noqa: S311
    return random.uniform(0.25, 0.5) * 2.0**tried  # noqa: S311


class _Settings:
    """The settings of a client.

    ``url`` is the gateway's, without a path. ``api_key`` is a secret: keep it on a server.
    ``timeout_seconds`` is for each part of a request, and has to be longer than the gateway holds a request.
    """

    _api_version: str

    def __init__(self, url: str, api_key: str, *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._options: Mapping[str, Any] = {
            "base_url": url,
            "timeout": timeout_seconds,
            "headers": {
                "Authorization": f"Bearer {api_key}",
                "Accept": "application/json",
                "Api-Version": self._api_version,
                "User-Agent": "payments-gateway-client-python",
            },
        }
        self._open()

    def _open(self) -> None:
        raise NotImplementedError


class Transport(_Settings):
    """The connections of a client that waits for each answer."""

    def _open(self) -> None:
        self._http = httpx.Client(**self._options)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def send(self, call: Call[T]) -> T:
        """Send a call, repeat it if that is safe, and return its answer. Raises ``GatewayError``."""
        tried = 0
        while True:
            tried += 1
            try:
                answer = self._http.request(**call.request())
            except httpx.RequestError as error:
                outcome = _without_answer(call, tried, error)
            else:
                outcome = _result(call, tried, answer)
            if not isinstance(outcome, _Failure):
                return cast(T, outcome)
            if outcome.pause is None:
                raise outcome.error
            time.sleep(outcome.pause)

    def pages(self, call: Call[Any]) -> Iterator[Any]:
        """Yield the objects of all pages of a list."""
        while True:
            page = self.send(call)
            yield from page["data"]
            if page["next_cursor"] is None:
                return
            call = call.page(page["next_cursor"])


class AsyncTransport(_Settings):
    """The connections of a client for an event loop."""

    def _open(self) -> None:
        self._http = httpx.AsyncClient(**self._options)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def send(self, call: Call[T]) -> T:
        """Send a call, repeat it if that is safe, and return its answer. Raises ``GatewayError``."""
        tried = 0
        while True:
            tried += 1
            try:
                answer = await self._http.request(**call.request())
            except httpx.RequestError as error:
                outcome = _without_answer(call, tried, error)
            else:
                outcome = _result(call, tried, answer)
            if not isinstance(outcome, _Failure):
                return cast(T, outcome)
            if outcome.pause is None:
                raise outcome.error
            await asyncio.sleep(outcome.pause)

    async def pages(self, call: Call[Any]) -> AsyncIterator[Any]:
        """Yield the objects of all pages of a list."""
        while True:
            page = await self.send(call)
            for each in page["data"]:
                yield each
            if page["next_cursor"] is None:
                return
            call = call.page(page["next_cursor"])
