"""Many concurrent requests whose answers come much later, on connections opened at a steady rate."""

import errno
import selectors
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

GIVE_UP_SECONDS = 90
LOOK_SECONDS = 0.1
OK = "200"


@dataclass
class _Waiting:
    began: float
    received: bytearray = field(default_factory=bytearray)


def request_of(method: str, address: str, body: bytes = b"", **headers: str) -> bytes:
    """Return the bytes of a request."""
    url = urlsplit(address)
    named = {"Host": url.netloc, **headers}
    if body:
        named |= {"Content-Type": "application/json", "Content-Length": str(len(body))}
    lines = [f"{method} {url.path} HTTP/1.1", *(f"{name}: {value}" for name, value in named.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


def waiting_times(
    address: str, request: bytes, count: int, per_second: float, look: Callable[[], None]
) -> list[float]:
    """Return the seconds until each complete answer with the status 200, from the results of `answers`."""
    told = answers(address, request, count, per_second, look)
    return [seconds for status, seconds in told if status == OK]


def answers(
    address: str, request: bytes, count: int, per_second: float, look: Callable[[], None]
) -> list[tuple[str, float]]:
    """Return each answer's status, and the seconds from the start of its connection to its end.

    The status is empty if the connection ended without an answer. Requests that were never answered are not
    in the list. `look` is called regularly meanwhile.
    """
    url = urlsplit(address)
    target = (url.hostname, url.port)
    told: list[tuple[str, float]] = []
    opened = ended = 0
    began = looked = time.monotonic()
    with selectors.DefaultSelector() as selector:
        while ended < count and (now := time.monotonic()) < began + count / per_second + GIVE_UP_SECONDS:
            while opened < count and now >= began + opened / per_second:
                selector.register(_connect(target), selectors.EVENT_WRITE, _Waiting(time.monotonic()))
                opened += 1
            if now > looked + LOOK_SECONDS:
                look()
                looked = now
            next_at = began + opened / per_second if opened < count else now + LOOK_SECONDS
            for key, event in selector.select(max(0.0, min(LOOK_SECONDS, next_at - now))):
                connection: socket.socket = key.fileobj  # type: ignore[assignment]
                waiting: _Waiting = key.data
                if event & selectors.EVENT_WRITE:
                    connection.sendall(request)
                    selector.modify(connection, selectors.EVENT_READ, waiting)
                    continue
                if not _is_over(connection, waiting):
                    continue
                status = waiting.received[9:12].decode()
                told.append((status, time.monotonic() - waiting.began))
                selector.unregister(connection)
                connection.close()
                ended += 1
    return told


def _connect(target: tuple[str | None, int | None]) -> socket.socket:
    connection = socket.socket()
    connection.setblocking(False)
    error = connection.connect_ex(target)
    if error not in (0, errno.EINPROGRESS):
        raise OSError(error, "cannot connect")
    return connection


def _is_over(connection: socket.socket, waiting: _Waiting) -> bool:
    """Return True if the answer is complete, or the connection has ended."""
    try:
        data = connection.recv(65_536)
    except ConnectionError:
        return True
    waiting.received += data
    head, blank, body = waiting.received.partition(b"\r\n\r\n")
    if not blank:
        return not data
    length = head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]
    return not data or len(body) >= int(length)
