"""A merchant's end point for notifications, with configurable answers."""

import threading
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from defusedxml.ElementTree import ParseError, fromstring

OK = (200, b"[OK]")
REFUSED = (500, b"")


def journal_type(body: bytes) -> str | None:
    try:
        journal = fromstring(body).find(".//journal")
    except ParseError:
        return None
    return None if journal is None else journal.get("journalType")


class Inbox:
    """An end point that gives the `answers` in turn, then accepts all journal types not in `unwanted`."""

    def __init__(self) -> None:
        self.answers: deque[tuple[int, bytes]] = deque()
        self.unwanted: set[str] = set()
        self.bodies: list[bytes] = []
        self.content_types: list[str] = []
        inbox = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                received = self.rfile.read(int(self.headers["Content-Length"]))
                inbox.content_types.append(self.headers["Content-Type"])
                inbox.bodies.append(received)
                usual = REFUSED if journal_type(received) in inbox.unwanted else OK
                status, body = inbox.answers.popleft() if inbox.answers else usual
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                del format, args

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/"

    def journal_types(self) -> list[str | None]:
        return [journal_type(body) for body in self.bodies]

    def __enter__(self) -> "Inbox":
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
