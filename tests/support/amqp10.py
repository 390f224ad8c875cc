"""A sender that speaks AMQP 1.0 to RabbitMQ, which can send properties that AMQP 0.9.1 cannot."""

import socket
import struct
from types import TracebackType
from typing import Self
from urllib.parse import quote, unquote, urlsplit

from messaging.envelope import JSON

TIMEOUT_SECONDS = 30
SASL_HEADER, AMQP_HEADER = b"AMQP\x03\x01\x00\x00", b"AMQP\x00\x01\x00\x00"
AMQP, SASL = 0, 1
# Descriptors of frame bodies and of a message's sections (AMQP 1.0, parts 2, 3 and 5).
OPEN, BEGIN, ATTACH, TRANSFER, DISPOSITION, DETACH, CLOSE = 0x10, 0x11, 0x12, 0x14, 0x15, 0x16, 0x18
SASL_INIT, SASL_OUTCOME = 0x41, 0x44
ACCEPTED, SOURCE, TARGET = 0x24, 0x28, 0x29
HEADER, ANNOTATIONS, PROPERTIES, APPLICATION_PROPERTIES, DATA = 0x70, 0x72, 0x73, 0x74, 0x75
FLOW = 0x13
NULL, TRUE, FALSE = b"\x40", b"\x41", b"\x42"
TOO_LONG = "x" * 300


class Refused(Exception):
    """The broker has ended the connection, or has not accepted the message."""


class Amqp10:
    """A connection with one link for each message. `url` is an address for AMQP 0.9.1."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._user, self._password = unquote(parts.username or ""), unquote(parts.password or "")
        self._vhost = unquote(parts.path.removeprefix("/"))
        self._links = 0
        self._socket = socket.create_connection(
            (parts.hostname or "", parts.port or 5672), timeout=TIMEOUT_SECONDS
        )

    def __enter__(self) -> Self:
        try:
            self._log_in()
        except BaseException:
            self._socket.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def _log_in(self) -> None:
        self._socket.sendall(SASL_HEADER)
        if self._received(len(SASL_HEADER)) != SASL_HEADER:
            raise Refused("the broker does not speak AMQP 1.0")
        answer = f"\0{self._user}\0{self._password}".encode()
        self._send(SASL, SASL_INIT, _symbol("PLAIN"), _binary(answer))
        self._await(SASL_OUTCOME)
        self._socket.sendall(AMQP_HEADER)
        self._received(len(AMQP_HEADER))
        self._send(AMQP, OPEN, _string("a test"), _string(f"vhost:{self._vhost}"))
        self._await(OPEN)
        self._send(AMQP, BEGIN, NULL, _uint(0), _uint(100), _uint(100))
        self._await(BEGIN)

    def publish(
        self,
        exchange: str,
        key: str,
        *,
        type: str = "test.command",
        content_type: str = JSON,
        reply_to: str = "",
        message_id: str = "one",
        headers: dict[str, str] | None = None,
        body: bytes = b"{}",
    ) -> None:
        """Publish a durable message and wait until the broker has accepted it. Raises Refused."""
        handle = _uint(self._links)
        self._links += 1
        address = f"/exchanges/{quote(exchange, safe='')}/{quote(key, safe='')}"
        source, target = _described(SOURCE, _list()), _described(TARGET, _list(_string(address)))
        name = _string(f"link {self._links}")
        self._send(AMQP, ATTACH, name, handle, FALSE, NULL, NULL, source, target, NULL, NULL, _uint(0))
        self._await(FLOW)
        properties = [
            _string(message_id),
            _binary(self._user.encode()),
            NULL,
            NULL,
            _string(reply_to) if reply_to else NULL,
            NULL,
            _symbol(content_type),
        ]
        message = b"".join(
            (
                _described(HEADER, _list(TRUE)),
                _described(ANNOTATIONS, _map((_symbol("x-basic-type"), _string(type)))),
                _described(PROPERTIES, _list(*properties)),
                _described(
                    APPLICATION_PROPERTIES,
                    _map(*((_string(name), _string(value)) for name, value in (headers or {}).items())),
                ),
                _described(DATA, _binary(body)),
            )
        )
        self._send(
            AMQP, TRANSFER, handle, _uint(self._links), _binary(b"tag"), _uint(0), FALSE, message=message
        )
        if bytes((0x53, ACCEPTED)) not in self._await(DISPOSITION):
            raise Refused("the message was not accepted")

    def _send(self, kind: int, descriptor: int, *fields: bytes, message: bytes = b"") -> None:
        body = _described(descriptor, _list(*fields)) + message
        self._socket.sendall(struct.pack(">IBBH", 8 + len(body), 2, kind, 0) + body)

    def _await(self, descriptor: int) -> bytes:
        """Return the next frame with this descriptor, and ignore other frames before it. Raises Refused."""
        while True:
            (size,) = struct.unpack(">I", self._received(4))
            frame = self._received(size - 4)[4:]
            if not frame:
                continue  # a heartbeat
            found = frame[2]  # after the mark of a described value and the type of its descriptor
            if found in (DETACH, CLOSE, 0x17):
                raise Refused(frame.decode(errors="replace"))
            if found == descriptor:
                return frame

    def _received(self, size: int) -> bytes:
        received = b""
        while len(received) < size:
            try:
                part = self._socket.recv(size - len(received))
            except ConnectionError as error:
                raise Refused(str(error)) from error
            if not part:
                raise Refused("the broker has closed the connection")
            received += part
        return received


def _described(descriptor: int, value: bytes) -> bytes:
    return bytes((0x00, 0x53, descriptor)) + value


def _list(*values: bytes) -> bytes:
    content = b"".join(values)
    return b"\xd0" + struct.pack(">II", 4 + len(content), len(values)) + content


def _map(*pairs: tuple[bytes, bytes]) -> bytes:
    content = b"".join(part for pair in pairs for part in pair)
    return b"\xd1" + struct.pack(">II", 4 + len(content), 2 * len(pairs)) + content


def _uint(number: int) -> bytes:
    return b"\x70" + struct.pack(">I", number)


def _binary(value: bytes) -> bytes:
    return b"\xb0" + struct.pack(">I", len(value)) + value


def _string(text: str) -> bytes:
    return b"\xb1" + struct.pack(">I", len(text.encode())) + text.encode()


def _symbol(text: str) -> bytes:
    return b"\xb3" + struct.pack(">I", len(text)) + text.encode("ascii")
