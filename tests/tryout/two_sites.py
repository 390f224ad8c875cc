"""A small web server under the names localhost and 127.0.0.1, which are two sites for a browser."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Answer:
    """The server's answer at one path."""

    html: str = ""
    status: int = 200
    headers: list[tuple[str, str]] = field(default_factory=list)


@dataclass
class Site:
    """A server with ``answers`` by path. ``requests`` has method, path, headers and body of each request."""

    port: int = 0
    answers: dict[str, Answer] = field(default_factory=dict)
    requests: list[tuple[str, str, Message, str]] = field(default_factory=list)

    @property
    def ours(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def theirs(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def cookies_sent(self) -> list[str | None]:
        return [headers["Cookie"] for _method, _path, headers, _body in self.requests]


@contextmanager
def two_sites() -> Iterator[Site]:
    site = Site()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(site))
    site.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(site: Site) -> Callable[..., BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"] or 0)).decode()
            path = self.path.partition("?")[0]
            site.requests.append((self.command, self.path, self.headers, body))
            answer = site.answers.get(path, Answer(status=404))
            self.send_response(answer.status)
            for name, value in answer.headers:
                self.send_header(name, value)
            content = answer.html.encode()
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = answer  # noqa: N815

        def log_message(self, *args: object) -> None:
            """Log nothing."""

    return Handler
