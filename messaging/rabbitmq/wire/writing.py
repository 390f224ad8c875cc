"""Frames to send."""

from collections.abc import Mapping
from functools import lru_cache
from struct import Struct, error as struct_error

from messaging.envelope import KINDS, PREFIXES, Envelope, HeaderValue
from messaging.rabbitmq.wire.layout import (
    APP_ID,
    BASIC_ACK,
    BASIC_PUBLISH,
    BASIC_REJECT,
    BODY,
    BOOLEAN,
    CONTENT,
    CONTENT_TYPE,
    CORRELATION_ID,
    DELIVERY_MODE,
    FRAME_END,
    FRAME_HEAD,
    HEADER,
    HEADERS,
    LONG,
    LONG_LONG,
    LONG_LONG_INT,
    MESSAGE_ID,
    METHOD,
    METHOD_ID,
    REPLY_TO,
    STRING,
    TIMESTAMP,
    TYPE,
    USER_ID,
)

_SETTLEMENT = Struct(">BHIIQBB")  # a whole frame: head, method, delivery tag, bits, end
_STRING_OF = Struct(">cI")  # the kind and the length
_NUMBER = Struct(">cq")  # the kind and the value
_ALWAYS = CONTENT_TYPE | HEADERS | DELIVERY_MODE | MESSAGE_ID | TIMESTAMP | TYPE | USER_ID | APP_ID
_CLASS_BASIC = 60
_PERSISTENT = b"\x02"
_MANDATORY = b"\x01"
_RESERVED = b"\x00\x00"
_END = bytes([FRAME_END])


def write_publish(
    channel: int, exchange: str, routing_key: str, envelope: Envelope, user_id: str, max_body: int
) -> bytes:
    """Return the frames of a persistent, mandatory publish, each with at most ``max_body`` bytes of content.

    Raises ValueError for values that AMQP cannot carry, such as a name over 255 bytes, a number over 64 bits
    or headers that do not fit into one frame.
    """
    try:
        return _write_publish(channel, exchange, routing_key, envelope, user_id, max_body)
    except (struct_error, OverflowError) as error:
        raise ValueError(str(error)) from None


def _write_publish(
    channel: int, exchange: str, routing_key: str, envelope: Envelope, user_id: str, max_body: int
) -> bytes:
    flags = _ALWAYS
    optional = b""
    if envelope.correlation_id:
        flags |= CORRELATION_ID
        optional = _short(envelope.correlation_id)
    if envelope.reply_to:
        flags |= REPLY_TO
        optional += _repeated(envelope.reply_to)
    properties = b"".join(
        (
            _repeated(envelope.content_type),
            _table(envelope.headers),
            _PERSISTENT,
            optional,
            _short(envelope.message_id),
            LONG_LONG.pack(envelope.timestamp),
            _repeated(envelope.type),
            _repeated(user_id),
            _repeated(envelope.app_id),
        )
    )
    body = envelope.body
    size = len(body)
    head_size = CONTENT.size - FRAME_HEAD.size
    if head_size + len(properties) > max_body:  # The broker would close the connection.
        raise ValueError("the properties and headers do not fit into a frame")
    parts = [
        _publish_method(channel, exchange, routing_key),
        CONTENT.pack(HEADER, channel, head_size + len(properties), _CLASS_BASIC, 0, size, flags),
        properties,
        _END,
    ]
    for start in range(0, size, max_body):
        part = body[start : start + max_body]
        parts += (FRAME_HEAD.pack(BODY, channel, len(part)), part, _END)
    return b"".join(parts)


def write_ack(channel: int, delivery_tag: int) -> bytes:
    """Return the frame that acknowledges one delivery."""
    return _SETTLEMENT.pack(METHOD, channel, 13, BASIC_ACK, delivery_tag, 0, FRAME_END)


def write_reject(channel: int, delivery_tag: int, requeue: bool) -> bytes:
    """Return the frame that rejects one delivery."""
    return _SETTLEMENT.pack(METHOD, channel, 13, BASIC_REJECT, delivery_tag, requeue, FRAME_END)


@lru_cache(maxsize=1024)
def _publish_method(channel: int, exchange: str, routing_key: str) -> bytes:
    names = _short(exchange) + _short(routing_key)
    payload = METHOD_ID.pack(BASIC_PUBLISH) + _RESERVED + names + _MANDATORY
    return FRAME_HEAD.pack(METHOD, channel, len(payload)) + payload + _END


def _short(text: str) -> bytes:
    raw = text.encode()
    return bytes((len(raw),)) + raw


# Cached, because many messages repeat the same strings.
_repeated = lru_cache(maxsize=1024)(_short)


def _table(headers: Mapping[str, HeaderValue]) -> bytes:
    parts: list[bytes] = []
    for name, value in headers.items():
        if name not in KINDS and not name.startswith(PREFIXES):
            continue
        if isinstance(value, str):
            raw = value.encode()
            parts += (_repeated(name), _STRING_OF.pack(STRING, len(raw)), raw)
        elif isinstance(value, bool):
            parts += (_repeated(name), BOOLEAN, b"\x01" if value else b"\x00")
        else:
            parts += (_repeated(name), _NUMBER.pack(LONG_LONG_INT, value))
    table = b"".join(parts)
    return LONG.pack(len(table)) + table
