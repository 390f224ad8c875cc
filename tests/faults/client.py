"""One visitor's HTTP client, which keeps the gateway's cookies and records every answer."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urljoin, urlsplit

import aiohttp

from tests.faults.pages import heading_of
from tests.faults.recorder import NO_ANSWER, Recorder, Seen, now

HELD_AT_ONCE = 24
OTHERS_AT_ONCE = 16
TIMEOUT = aiohttp.ClientTimeout(total=30)
HEADERS = {"User-Agent": "Mozilla/5.0 (compatible; fault campaign)", "Accept-Language": "en-GB"}
PAGE, JSON = "text/html", "application/json"


class NoAnswer(Exception):
    """The connection failed, or there was no answer in time."""


class TryAgain(Exception):
    """The server answers that it cannot serve the request at the moment."""


@dataclass(frozen=True, slots=True)
class Answer:
    url: str
    status: int
    location: str
    text: str

    @property
    def path(self) -> str:
        return urlsplit(self.url).path

    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.text)
        return found


def open_session() -> aiohttp.ClientSession:
    """Return a session whose connections all visitors share. Each visitor keeps its own cookies."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=4),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=TIMEOUT,
        headers=HEADERS,
    )


class Gates:
    """Limits on concurrent requests of all visitors, so that the machine is busy but not overloaded."""

    def __init__(self) -> None:
        self._held = asyncio.Semaphore(HELD_AT_ONCE)
        self._others = asyncio.Semaphore(OTHERS_AT_ONCE)

    def gate_for(self, method: str, url: str) -> asyncio.Semaphore:
        is_held = method == "POST" and ("/pay/" in url or "/challenge/return/" in url)
        return self._held if is_held else self._others


class Client:
    """One visitor. The recorder stores the answers under the reference in `payment`."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        gateway: str,
        recorder: Recorder,
        gates: Gates,
    ) -> None:
        self.gateway = gateway
        self.payment = ""
        self.ears = recorder.ears
        self.recorder = recorder
        self._session = session
        self._gates = gates
        self._cookies: dict[str, str] = {}

    async def get(self, url: str, *, accept: str = PAGE) -> Answer:
        return await self.send("GET", url, accept=accept)

    async def post(self, url: str, fields: Mapping[str, str], *, cross_site: bool = False) -> Answer:
        return await self.send("POST", url, fields=fields, cross_site=cross_site)

    async def notify(self, account: str, body: bytes) -> Answer:
        """Send a notification in the provider's name to the public, unauthenticated address."""
        return await self.send(
            "POST", f"/notifications/{account}/", body=body, headers={"Content-Type": "text/xml"}
        )

    async def send(
        self,
        method: str,
        url: str,
        *,
        fields: Mapping[str, str] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        accept: str = PAGE,
        cross_site: bool = False,
    ) -> Answer:
        """Send one request. Redirects are not followed. Raises NoAnswer, and TryAgain for 502 to 504."""
        url = urljoin(self.gateway, url)
        is_ours = url.startswith(self.gateway)
        sent = {"Accept": accept, **(headers or {})}
        if is_ours and self._cookies and not cross_site:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        if is_ours and method == "POST" and not cross_site:
            sent["Origin"] = self.gateway
        async with self._gates.gate_for(method, url):
            began = now()
            try:
                async with self._session.request(
                    method, url, data=fields or body, headers=sent, allow_redirects=False
                ) as response:
                    text = await response.text()
            except (aiohttp.ClientError, TimeoutError, OSError, UnicodeDecodeError) as error:
                if is_ours:
                    self._record(began, method, url, NO_ANSWER, note=type(error).__name__)
                raise NoAnswer(f"{method} {url}: {error!r}") from error
        answer = Answer(url, response.status, response.headers.get("Location", ""), text)
        if is_ours:
            if not cross_site:
                self._keep_cookies(response)
            self._note(began, method, answer, response)
        if answer.status in (502, 503, 504):
            raise TryAgain(f"{method} {url}: {answer.status}")
        return answer

    def _keep_cookies(self, response: aiohttp.ClientResponse) -> None:
        for line in response.headers.getall("Set-Cookie", ()):
            self._cookies.update({name: morsel.value for name, morsel in SimpleCookie(line).items()})

    def _note(self, began: float, method: str, answer: Answer, response: aiohttp.ClientResponse) -> None:
        if answer.path.endswith("status.json") and answer.status in (200, 202):
            said = answer.json()
            self._record(
                began,
                method,
                answer.url,
                answer.status,
                state=said["state"],
                is_paid=said["is_paid"],
                is_final=said["is_final"],
            )
            return
        note = urlsplit(answer.location).path or heading_of(answer.text)
        if answer.status == 503 and "Retry-After" not in response.headers:
            note = "without Retry-After"
        self._record(began, method, answer.url, answer.status, note=note)

    def _record(self, began: float, method: str, url: str, status: int, **said: Any) -> None:
        request = f"{method} {urlsplit(url).path}"
        ended = now()
        self.recorder.add(Seen(ended, ended - began, self.payment, request, status, **said))
