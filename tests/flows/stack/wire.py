"""HTTP as bytes: requests that no client library would send, and unprocessed answers."""

import json
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from http.client import HTTPResponse
from urllib.parse import urlsplit

FORM = ("Content-Type", "application/x-www-form-urlencoded")
# Django's CSRF check compares cookie and field, so any value is accepted if both are equal.
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
        """Assert that this is a page or an RFC 9457 document that reveals nothing of our internals."""
        assert self.status == status, self.text[:2000]
        for inside in ("Traceback", "psycopg", "django.", 'File "'):
            assert inside not in self.text
        if as_json:
            assert self.headers["content-type"] == "application/problem+json"
            problem = json.loads(self.body)
            assert problem["status"] == status
            # Answers to programs also have a code and the id of the request.
            assert problem.keys() - {"code", "request_id"} == {"type", "title", "status", "detail"}
        else:
            assert self.headers["content-type"] == "text/html; charset=utf-8"
            assert self.text.count("<h1>") == 1


@dataclass(frozen=True)
class Wire:
    """A client of the gateway at ``url`` with a new connection for each request."""

    url: str

    def send(self, data: bytes) -> Answer:
        """Send exactly these bytes and read one answer."""
        with self.opened() as connection:
            connection.sendall(data)
            return read(connection, data.partition(b" ")[0].decode("latin-1"))

    def request(self, method: str, path: str, *, body: bytes = b"", headers: Iterable[Header] = ()) -> Answer:
        return self.send(self.head(method, path, [("Content-Length", str(len(body))), *headers]) + body)

    def head(self, method: str, path: str, headers: Iterable[Header] = ()) -> bytes:
        """Return the request line and headers, including the empty line."""
        lines = [f"{method} {path} HTTP/1.1", f"Host: {urlsplit(self.url).netloc}"]
        lines += [f"{name}: {value}" for name, value in headers]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    def opened(self) -> socket.socket:
        parts = urlsplit(self.url)
        return socket.create_connection((parts.hostname or "", parts.port or 80), timeout=30)


def read(connection: socket.socket, method: str) -> Answer:
    """Read one complete answer."""
    response = HTTPResponse(connection, method=method)
    response.begin()
    headers = {name.lower(): value for name, value in response.getheaders()}
    return Answer(response.status, headers, response.read())
