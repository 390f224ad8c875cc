"""Conversions between our values and pika's: frames, properties and deliveries."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import pika
from pika import frame
from pika.exceptions import AMQPConnectionError, AMQPError
from pika.spec import Basic, BasicProperties

from messaging.delivery import Death, Delivery
from messaging.envelope import EVENT_HEADERS, Envelope, HeaderValue, kinds_of
from messaging.errors import MalformedMessage
from messaging.rabbitmq.wire.layout import CONTENT, FRAME_END, HEADER, OVERHEAD
from messaging.storable import MALFORMED, digest_of

# The time of an event is an AMQP 1.0 timestamp, which RabbitMQ converts to one of AMQP 0.9.1, in seconds.
_EVENT_TIMES = tuple(f"{prefix}time" for prefix in EVENT_HEADERS)
LATEST = 2**63 - 1  # AMQP's timestamp has 64 bits, but a dead letter could not carry a later time


def decode_frame(data: bytes) -> tuple[int, frame.Frame | frame.ProtocolHeader | None]:
    """Return the length of the first frame and the frame, as pika does; 0 and None if it is incomplete.

    Some headers are legal in AMQP and cannot be decoded by pika, for example a time after the year 9999 or a
    deeply nested array. An error would end the connection, the broker would deliver the message again, and
    the next connection would end, too. So such a message gets empty properties instead, and is then found to
    break the contract.
    """
    try:
        return frame.decode_frame(data)
    except Exception:
        if len(data) < CONTENT.size or data[0] != HEADER:
            raise
        _, channel, length, _, _, size, _ = CONTENT.unpack_from(data)
        end = length + OVERHEAD
        if data[end - 1] != FRAME_END:
            raise
        return end, frame.Header(channel, size, BasicProperties())


def properties_of(envelope: Envelope, user_id: str) -> BasicProperties:
    """Return AMQP properties for publishing. The broker checks ``user_id`` against the connection's user.

    Raises ValueError for a header that is neither text nor integer, although pika could send it.
    """
    headers = {name: value for name, value in envelope.headers.items() if kinds_of(name)}
    for name, value in headers.items():
        if not isinstance(value, str | int):
            raise ValueError(f"header {name} is a {type(value).__name__}")
    return BasicProperties(
        content_type=envelope.content_type,
        headers=headers,
        delivery_mode=pika.DeliveryMode.Persistent,
        correlation_id=envelope.correlation_id or None,
        reply_to=envelope.reply_to or None,
        message_id=envelope.message_id,
        timestamp=envelope.timestamp,
        type=envelope.type,
        user_id=user_id,
        app_id=envelope.app_id,
    )


def delivery_of(
    queue: str, method: Basic.Deliver | Basic.GetOk, properties: BasicProperties, body: bytes
) -> Delivery:
    """Return the delivery. If it breaks the contract, ``envelope`` is None and ``defect`` is the reason."""
    redelivered = bool(method.redelivered)
    headers = properties.headers or {}
    # The broker sets this header from the second delivery on. Before that, it comes from the sender.
    counted = headers.get("x-delivery-count") if redelivered else 0
    delivery = Delivery(
        envelope=None,
        exchange=method.exchange or "",
        routing_key=method.routing_key or "",
        queue=queue,
        delivery_count=counted if isinstance(counted, int) else int(redelivered),
        redelivered=redelivered,
        death=_death(headers),
    )
    try:
        delivery.envelope = _envelope(properties, body)
    except MalformedMessage as error:
        delivery.raw = body
        delivery.defect = str(error)
        delivery.remains = _remains(properties, body)
    return delivery


def _death(headers: Mapping[str, object]) -> Death | None:
    """Return the queue that first dead-lettered the message, and why (RabbitMQ, dead letter exchanges)."""
    if "x-first-death-queue" not in headers:
        return None
    return Death(str(headers["x-first-death-queue"]), str(headers.get("x-first-death-reason", "")))


def _envelope(properties: BasicProperties, body: bytes) -> Envelope:
    if not properties.message_id:
        raise MalformedMessage("no message_id")
    if not properties.type:
        raise MalformedMessage("no type")
    if not properties.content_type:
        raise MalformedMessage("no content_type")
    if any(isinstance(value, bytes) for value in vars(properties).values()):
        raise MalformedMessage("a property is not UTF-8")
    if (properties.timestamp or 0) > LATEST:
        raise MalformedMessage("the timestamp has more than 63 bits")
    return Envelope(
        type=properties.type,
        body=body,
        message_id=properties.message_id,
        correlation_id=properties.correlation_id or "",
        reply_to=properties.reply_to or "",
        timestamp=properties.timestamp or 0,
        app_id=properties.app_id or "",
        user_id=properties.user_id or "",
        content_type=properties.content_type,
        headers=_headers(properties.headers or {}),
    )


def _remains(properties: BasicProperties, body: bytes) -> Envelope:
    headers = dict(_sound_headers(properties.headers or {}))
    return Envelope(
        type=_text(properties.type) or MALFORMED,
        body=digest_of(body),
        message_id=_text(properties.message_id),
        correlation_id=_text(properties.correlation_id),
        reply_to=_text(properties.reply_to),
        timestamp=min(properties.timestamp or 0, LATEST),
        app_id=_text(properties.app_id),
        user_id=_text(properties.user_id),
        headers=headers,
    )


def _text(value: object) -> str:
    """Return a property as text; pika leaves a property that is not UTF-8 as bytes."""
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value or "")


def _headers(raw: Mapping[Any, object]) -> dict[str, HeaderValue]:
    headers = dict(_sound_headers(raw))
    for name, value in raw.items():
        if name not in headers and isinstance(name, str) and kinds_of(name):
            raise MalformedMessage(f"header {name} is a {type(value).__name__}")
    return headers


def _sound_headers(raw: Mapping[Any, object]) -> Iterator[tuple[str, HeaderValue]]:
    for name, value in raw.items():
        if not isinstance(name, str):
            continue
        if isinstance(value, kinds_of(name)):
            yield name, value  # type: ignore[misc] # narrowed by the table of kinds
        elif name in _EVENT_TIMES and isinstance(value, datetime):
            yield name, int(value.timestamp()) * 1000


def plain(reason: BaseException) -> AMQPConnectionError:
    """Return a new exception of the same kind: pika gives all callbacks one, which grows with each raise."""
    if isinstance(reason, AMQPError | OSError):
        return AMQPConnectionError(f"{type(reason).__name__}: {reason}")
    return AMQPConnectionError(repr(reason))
