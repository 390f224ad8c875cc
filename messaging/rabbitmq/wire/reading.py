"""Read a message from the bytes of its frames."""

from functools import lru_cache
from struct import error as struct_error

from messaging.delivery import Delivery
from messaging.envelope import KINDS, PREFIXES, Envelope, HeaderValue
from messaging.errors import MalformedMessage
from messaging.rabbitmq.wire.layout import (
    APP_ID,
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
    OVERHEAD,
    REPLY_TO,
    STRING,
    TAG_AND_BITS,
    TIMESTAMP,
    TYPE,
    USER_ID,
)

_REQUIRED = CONTENT_TYPE | MESSAGE_ID | TYPE
_KNOWN = _REQUIRED | HEADERS | DELIVERY_MODE | CORRELATION_ID | REPLY_TO | TIMESTAMP | USER_ID | APP_ID
# The consumer tag comes after the head of the frame and the numbers of class and method.
_CONSUMER_TAG_AT = FRAME_HEAD.size + 4
_STRING, _LONG_LONG, _BOOLEAN = STRING[0], LONG_LONG_INT[0], BOOLEAN[0]


_ANY = frozenset((_STRING, _LONG_LONG, _BOOLEAN))
_KIND_CODES = {int: frozenset((_LONG_LONG,)), str: frozenset((_STRING,))}
_CODES = {name: _ANY if len(kinds) > 1 else _KIND_CODES[kinds[0]] for name, kinds in KINDS.items()}


class Incomplete(Exception):
    """A part of the message has not arrived yet."""


class Uncommon(Exception):
    """The message has an unusual form, so that pika has to read it."""


def read_delivery(queue: str, data: bytes, start: int, header_at: int) -> tuple[Delivery, int, int]:
    """Return the message of a Basic.Deliver frame, its delivery tag, and the end of its bytes in ``data``.

    The Basic.Deliver frame is ``data[start:header_at]``. Raises Incomplete or Uncommon.
    """
    try:
        return _read_delivery(queue, data, start, header_at)
    except (struct_error, UnicodeError, IndexError, MalformedMessage):
        raise Uncommon from None


def _read_delivery(queue: str, data: bytes, start: int, header_at: int) -> tuple[Delivery, int, int]:
    available = len(data)
    if available < header_at + CONTENT.size:
        raise Incomplete
    tag_at = start + _CONSUMER_TAG_AT
    tag_at += data[tag_at] + 1
    delivery_tag, redelivered = TAG_AND_BITS.unpack_from(data, tag_at)
    _, channel, _ = FRAME_HEAD.unpack_from(data, start)
    kind, its_channel, length, _, _, size, flags = CONTENT.unpack_from(data, header_at)
    if (
        kind != HEADER
        or its_channel != channel
        or redelivered
        or flags & ~_KNOWN
        or flags & _REQUIRED != _REQUIRED
    ):
        raise Uncommon
    body_at = header_at + length + OVERHEAD
    end = body_at
    if size:
        if available < body_at + FRAME_HEAD.size:
            raise Incomplete
        kind, its_channel, length = FRAME_HEAD.unpack_from(data, body_at)
        if kind != BODY or its_channel != channel or length != size or data[body_at - 1] != FRAME_END:
            raise Uncommon  # The body has several frames, or a frame of another channel comes first.
        body_at += FRAME_HEAD.size
        end = body_at + size + 1
    if available < end:
        raise Incomplete
    if data[end - 1] != FRAME_END or data[header_at - 1] != FRAME_END:
        raise Uncommon
    exchange, routing_key = _names(data[tag_at + TAG_AND_BITS.size : header_at - 1])
    envelope = _read_envelope(data, header_at + CONTENT.size, flags, data[body_at : body_at + size])
    return (
        Delivery(envelope=envelope, exchange=exchange, routing_key=routing_key, queue=queue),
        delivery_tag,
        end,
    )


def _read_envelope(data: bytes, at: int, flags: int, body: bytes) -> Envelope:
    content_type, at = _read_short(data, at)
    headers: dict[str, HeaderValue] = {}
    if flags & HEADERS:
        (length,) = LONG.unpack_from(data, at)
        at += LONG.size
        headers = _read_table(data, at, at + length)
        at += length
    if flags & DELIVERY_MODE:
        at += 1
    correlation_id = reply_to = user_id = app_id = ""
    timestamp = 0
    if flags & CORRELATION_ID:
        correlation_id, at = _read_short(data, at)
    if flags & REPLY_TO:
        reply_to, at = _read_short(data, at)
    message_id, at = _read_short(data, at)
    if flags & TIMESTAMP:
        (timestamp,) = LONG_LONG.unpack_from(data, at)
        at += LONG_LONG.size
        if timestamp < 0:
            raise Uncommon
    type_, at = _read_short(data, at)
    if flags & USER_ID:
        user_id, at = _read_short(data, at)
    if flags & APP_ID:
        app_id, at = _read_short(data, at)
    if not (content_type and message_id and type_):
        raise Uncommon
    return Envelope(
        type=type_,
        body=body,
        message_id=message_id,
        correlation_id=correlation_id,
        reply_to=reply_to,
        timestamp=timestamp,
        app_id=app_id,
        user_id=user_id,
        content_type=content_type,
        headers=headers,
    )


def _read_table(data: bytes, at: int, end: int) -> dict[str, HeaderValue]:
    table: dict[str, HeaderValue] = {}
    while at < end:
        end_of_name = at + 1 + data[at]
        name, codes = _header_of(data[at + 1 : end_of_name])
        at = end_of_name
        kind = data[at]
        if kind not in codes:
            raise Uncommon  # a header of the broker, or one of a type that breaks the contract
        value: HeaderValue
        if kind == _STRING:
            (length,) = LONG.unpack_from(data, at + 1)
            at += 1 + LONG.size + length
            value = data[at - length : at].decode()
        elif kind == _LONG_LONG:
            (value,) = LONG_LONG.unpack_from(data, at + 1)
            at += 1 + LONG_LONG.size
        else:  # the only type left is _BOOLEAN
            value = bool(data[at + 1])
            at += 2
        if name:
            table[name] = value
    return table


@lru_cache(maxsize=1024)
def _header_of(raw: bytes) -> tuple[str, frozenset[int]]:
    """Return a header's name, empty if we do not read the header, and the type codes that it may have."""
    name = raw.decode()
    if name in _CODES:
        return name, _CODES[name]
    if name.startswith(PREFIXES):
        return name, _ANY
    return "", frozenset() if name.startswith("x-") else _ANY


def _read_short(data: bytes, at: int) -> tuple[str, int]:
    end = at + 1 + data[at]
    return data[at + 1 : end].decode(), end


@lru_cache(maxsize=1024)
def _names(raw: bytes) -> tuple[str, str]:
    exchange, at = _read_short(raw, 0)
    routing_key, _ = _read_short(raw, at)
    return exchange, routing_key
