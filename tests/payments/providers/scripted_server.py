"""A loopback server that answers, or fails, as a test specifies."""

import socket
import ssl
import struct
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

Behaviour = Callable[[socket.socket, threading.Event], None]


@dataclass(frozen=True)
class Received:
    """One received request."""

    head: str
    body: bytes

    def header(self, name: str) -> list[str]:
        lines = (line.partition(":") for line in self.head.split("\r\n")[1:])
        return [value.strip() for key, _, value in lines if key.lower() == name.lower()]


def answer(body: bytes = b"", status: int = 200, *headers: str, length: int | None = None) -> Behaviour:
    """Return a behaviour that sends an answer, which breaks off if ``length`` is not that of the body."""
    lines = [f"HTTP/1.1 {status} Whatever", "Content-Type: text/xml", "Connection: close", *headers]
    if not any(header.startswith("Transfer-Encoding") for header in headers):
        lines.append(f"Content-Length: {len(body) if length is None else length}")

    def behave(connection: socket.socket, stop: threading.Event) -> None:
        del stop
        connection.sendall("\r\n".join([*lines, "", ""]).encode() + body)

    return behave


def reset(connection: socket.socket, stop: threading.Event) -> None:
    """Reset the connection, as a crashed peer does."""
    del stop
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def say_nothing(connection: socket.socket, stop: threading.Event) -> None:
    """Keep the connection open and send nothing."""
    del connection
    stop.wait()


def drip(connection: socket.socket, stop: threading.Event) -> None:
    """Send a little within every read time-out, without end."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\n\r\n")
    while not stop.wait(0.02):
        connection.sendall(b" ")


class ScriptedServer:
    """A server that uses the next behaviour for each request, and repeats the last one."""

    def __init__(self, *behaviours: Behaviour, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[Received] = []
        self.connections = 0
        self._behaviours = deque(behaviours or [answer()])
        self._tls = tls
        self._stop = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.port}/pay"
        self._threads: list[threading.Thread] = []
        self._acceptor = threading.Thread(target=self._accept)

    def __enter__(self) -> "ScriptedServer":
        self._acceptor.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._acceptor.join()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while not self._stop.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._serve, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                if self._tls:
                    connection = self._tls.wrap_socket(connection, server_side=True)
                self.requests.append(_read(connection))
                behaviour = self._behaviours.popleft() if len(self._behaviours) > 1 else self._behaviours[0]
                behaviour(connection, self._stop)
            except OSError:
                pass
            finally:
                connection.close()


def _read(connection: socket.socket) -> Received:
    stream = connection.makefile("rb")
    lines = []
    while (line := stream.readline()) != b"\r\n":
        if not line:
            raise ConnectionError("The client left before it had asked for anything.")
        lines.append(line.decode("latin-1").rstrip("\r\n"))
    head = Received("\r\n".join(lines), b"")
    [length] = head.header("Content-Length") or ["0"]
    return Received(head.head, stream.read(int(length)))
