"""A client that calls the whole web application in this process, through every layer except the socket."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urlencode

from asgiref.testing import ApplicationCommunicator

from payments_gateway.asgi import application

FORM = "application/x-www-form-urlencoded"


@dataclass
class Answer:
    status: int
    raw_headers: list[tuple[str, str]]
    body: bytes

    @property
    def headers(self) -> dict[str, str]:
        return dict(self.raw_headers)

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def set_cookies(self) -> list[str]:
        return [value for name, value in self.raw_headers if name == "set-cookie"]


@dataclass
class AsgiClient:
    """A client that keeps cookies. With `cross_site` it omits them, as SameSite=Lax does for a POST."""

    host: str = "localhost"
    address: str = "192.0.2.7"
    cookies: dict[str, str] = field(default_factory=dict)

    async def get(self, path: str, **options: Any) -> Answer:
        return await self.request("GET", path, **options)

    async def post(self, path: str, data: Mapping[str, str] | bytes = b"", **options: Any) -> Answer:
        return await self.request("POST", path, data=data, **options)

    async def request(
        self,
        method: str,
        path: str,
        *,
        data: Mapping[str, str] | bytes = b"",
        headers: Mapping[str, str] | None = None,
        cross_site: bool = False,
        timeout_seconds: float = 30,
    ) -> Answer:
        with self.started(method, path, data=data, headers=headers, cross_site=cross_site) as exchange:
            answer = await receive(exchange, timeout_seconds)
        if not cross_site:
            for line in answer.set_cookies:
                self.cookies.update({name: value.value for name, value in SimpleCookie(line).items()})
        return answer

    @contextmanager
    def started(
        self,
        method: str,
        path: str,
        *,
        data: Mapping[str, str] | bytes = b"",
        headers: Mapping[str, str] | None = None,
        cross_site: bool = False,
        whole: bool = True,
        notes: Mapping[str, Any] | None = None,
    ) -> Iterator[ApplicationCommunicator]:
        """Send a request. With `whole=False` its last part is missing, and the client stays connected.

        `notes` are entries for the scope, as our own server adds them.
        """
        body = data if isinstance(data, bytes) else urlencode(data).encode()
        path, _, query = path.partition("?")
        lines = {"host": self.host, "accept": "text/html", "content-length": str(len(body))}
        if not isinstance(data, bytes):
            lines["content-type"] = FORM
        if self.cookies and not cross_site:
            lines["cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        lines |= headers or {}
        scope = {
            "type": "http",
            "http_version": "1.1",
            "asgi": {"version": "3.0"},
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(name.lower().encode(), value.encode()) for name, value in lines.items() if value],
            "client": (self.address, 40000),
            "server": ("localhost", 8000),
            **(notes or {}),
        }
        exchange = ApplicationCommunicator(application, scope)
        exchange.input_queue.put_nowait({"type": "http.request", "body": body, "more_body": not whole})
        assert not exchange.future.done()
        try:
            yield exchange
        finally:
            exchange.stop(exceptions=False)


async def receive(exchange: ApplicationCommunicator, timeout_seconds: float = 30) -> Answer:
    """Return the answer to a request that was started."""
    start = await exchange.receive_output(timeout_seconds)
    body = b""
    more = True
    while more:
        part = await exchange.receive_output(timeout_seconds)
        body += part.get("body", b"")
        more = part.get("more_body", False)
    await exchange.wait(timeout_seconds)
    headers = [(name.decode().lower(), value.decode("latin-1")) for name, value in start["headers"]]
    return Answer(start["status"], headers, body)
