"""A merchant's end point for notifications, which answers as it is told."""

import threading
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from defusedxml.ElementTree import fromstring

OK = (200, b"[OK]")


class Inbox:
    """Answers with `answers` one after the other, then always accepts."""

    def __init__(self) -> None:
        self.answers: deque[tuple[int, bytes]] = deque()
        self.bodies: list[bytes] = []
        inbox = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                inbox.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
                status, body = inbox.answers.popleft() if inbox.answers else OK
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                del format, args

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/"

    def journal_types(self) -> list[str | None]:
        events = [fromstring(body).find(".//journal") for body in self.bodies]
        return [None if journal is None else journal.get("journalType") for journal in events]

    def __enter__(self) -> "Inbox":
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
