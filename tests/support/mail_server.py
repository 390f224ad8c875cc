"""A mail server on this machine that answers as a test tells it to, and keeps the e-mails it is sent."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any


@dataclass
class MailServer:
    """The server's answers by command, and the texts of the e-mails that it has received.

    The answer to ``DATA`` is given after the text, for which the server takes ``seconds_for_text``. An empty
    answer cuts the connection.
    """

    port: int
    answers: dict[str, bytes]
    seconds_for_text: float
    texts: list[bytes] = field(default_factory=list)
    is_over: threading.Event = field(default_factory=threading.Event)

    def converse(self, reading: Any, writing: Any) -> None:
        """Answer each line until the client or an answer ends the conversation."""
        answer = b"220 ready\r\n"
        while answer:
            writing.write(answer)
            line = reading.readline()
            if not line:
                return
            verb = line[:4].decode().upper()
            if verb == "DATA":
                writing.write(b"354 go on\r\n")
                self.texts.append(b"".join(iter(reading.readline, b".\r\n")))
                self.is_over.wait(self.seconds_for_text)
            answer = self.answers.get(verb, b"250 OK\r\n")


@contextmanager
def mail_server(
    answers: dict[str, bytes] | None = None, *, seconds_for_text: float = 0
) -> Iterator[MailServer]:
    """Run a mail server until the block ends."""

    class Conversation(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            served.converse(self.rfile, self.wfile)

        def finish(self) -> None:
            with suppress(ConnectionError):
                super().finish()

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Conversation) as server:
        served = MailServer(server.server_address[1], answers or {}, seconds_for_text)
        threading.Thread(target=server.serve_forever, args=(0.05,)).start()
        try:
            yield served
        finally:
            served.is_over.set()
            server.shutdown()
