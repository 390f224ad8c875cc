"""HTTP as bytes: requests that no client library would send, and answers as they come."""

import json
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from http.client import HTTPResponse
from urllib.parse import urlsplit

FORM = ("Content-Type", "application/x-www-form-urlencoded")
# Django's double submission: any value will do, as long as cookie and field agree.
CSRF = "a" * 32
CSRF_COOKIE = ("Cookie", f"csrftoken={CSRF}")
Header = tuple[str, str]


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    def assert_clear(self, status: int, *, as_json: bool) -> None:
        """A page for people or an RFC 9457 document for programs, which tells nothing of our insides."""
        assert self.status == status, self.text[:2000]
        for inside in ("Traceback", "psycopg", "django.", 'File "'):
            assert inside not in self.text
        if as_json:
            assert self.headers["content-type"] == "application/problem+json"
            problem = json.loads(self.body)
            assert problem["status"] == status
            assert problem.keys() == {"type", "title", "status", "detail"}
        else:
            assert self.headers["content-type"] == "text/html; charset=utf-8"
            assert self.text.count("<h1>") == 1


@dataclass(frozen=True)
class Wire:
    """Connections to the gateway at ``url``, one for each request."""

    url: str

    def send(self, data: bytes) -> Answer:
        """Send these bytes and nothing more; read one answer."""
        with self.opened() as connection:
            connection.sendall(data)
            return read(connection, data.partition(b" ")[0].decode("latin-1"))

    def request(self, method: str, path: str, *, body: bytes = b"", headers: Iterable[Header] = ()) -> Answer:
        return self.send(self.head(method, path, [("Content-Length", str(len(body))), *headers]) + body)

    def head(self, method: str, path: str, headers: Iterable[Header] = ()) -> bytes:
        """Request line and headers, up to and with the empty line."""
        lines = [f"{method} {path} HTTP/1.1", f"Host: {urlsplit(self.url).netloc}"]
        lines += [f"{name}: {value}" for name, value in headers]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    def opened(self) -> socket.socket:
        parts = urlsplit(self.url)
        return socket.create_connection((parts.hostname or "", parts.port or 80), timeout=30)


def read(connection: socket.socket, method: str) -> Answer:
    """Read one answer to its end."""
    response = HTTPResponse(connection, method=method)
    response.begin()
    headers = {name.lower(): value for name, value in response.getheaders()}
    return Answer(response.status, headers, response.read())
