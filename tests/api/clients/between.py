"""A server between a client library and a running gateway, which fails as networks and busy servers do."""

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal
from urllib.parse import urlsplit

# The answer is lost after the request was carried out; or the request is refused, unread.
Fault = Literal["lost", "limited", "busy"]
REFUSALS = {"limited": 429, "busy": 503}
HOP_BY_HOP = {"connection", "transfer-encoding", "content-length", "date", "server"}


class Between(ThreadingHTTPServer):
    """A server on a free port that passes requests on to the gateway at ``target``, after the ``faults``.

    Only requests that create an object or move money get the faults: each address gets all of them, one for
    each attempt. ``keys`` has the idempotency keys that came to each address.
    """

    daemon_threads = True

    def __init__(self, target: str, faults: Sequence[Fault]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target = urlsplit(target)
        self.faults = faults
        self.keys: dict[str, list[str]] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@contextmanager
def between(target: str, *faults: Fault) -> Iterator[Between]:
    """Yield a running ``Between``."""
    with Between(target, faults) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: Between
    protocol_version = "HTTP/1.1"

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = self._next_fault()
        if fault in REFUSALS:
            problem = {"code": fault, "status": REFUSALS[fault], "detail": "Later.", "request_id": "req_1"}
            self._answer(REFUSALS[fault], {"Retry-After": "1"}, json.dumps(problem).encode())
            return
        status, headers, content = self._passed_on(body)
        if fault == "lost":
            self.close_connection = True
        else:
            self._answer(status, headers, content)

    do_GET = do_POST = do_PATCH = do_DELETE = _handle  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _next_fault(self) -> str:
        key = self.headers.get("Idempotency-Key")
        if key is None:
            return ""
        keys = self.server.keys.setdefault(self.path, [])
        keys.append(key)
        return self.server.faults[len(keys) - 1] if len(keys) <= len(self.server.faults) else ""

    def _passed_on(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        target = self.server.target
        connection = HTTPConnection(str(target.hostname), target.port, timeout=60)
        headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
        connection.request(self.command, self.path, body, {**headers, "Host": target.netloc})
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        kept = {name: value for name, value in answer.getheaders() if name.lower() not in HOP_BY_HOP}
        return answer.status, kept, content

    def _answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
