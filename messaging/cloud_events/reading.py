"""Events as they arrive, from us or from others."""

from datetime import UTC, datetime

from messaging.cloud_events.event import AUDIENCE, SEQUENCE, SEQUENCE_DIGITS, VERSION, CloudEvent
from messaging.envelope import EVENT_HEADERS, JSON, SUBJECT, Envelope, HeaderValue
from messaging.errors import MalformedMessage

REQUIRED = ("specversion", "id", "type", "source")


def attributes_of(envelope: Envelope) -> dict[str, HeaderValue]:
    """Return the attributes in the headers, whose names begin with one of the two prefixes of CloudEvents."""
    found: dict[str, HeaderValue] = {}
    for name, value in envelope.headers.items():
        for prefix in EVENT_HEADERS:
            if name.startswith(prefix):
                found[name.removeprefix(prefix)] = value
    return found


def read(envelope: Envelope) -> CloudEvent:
    """Return the event that has arrived, with its data in bytes. Raises MalformedMessage if it is not one."""
    attributes = attributes_of(envelope)
    if missing := [name for name in REQUIRED if not attributes.get(name)]:
        raise MalformedMessage(f"an event without {', '.join(missing)}")
    if attributes["specversion"] != VERSION:
        raise MalformedMessage(f"CloudEvents {attributes['specversion']} is not supported")
    if attributes["id"] != envelope.message_id or attributes["type"] != envelope.type:
        raise MalformedMessage("the event's id or type is not that of its message")
    if envelope.content_type != JSON:
        raise MalformedMessage(f"the data is {envelope.content_type}")
    return CloudEvent(
        type=envelope.type,
        source=str(attributes["source"]),
        data=envelope.body,
        subject=str(attributes.get(SUBJECT, "")),
        id=envelope.message_id,
        time=_time(attributes.get("time", envelope.timestamp * 1000)),
        sequence=_number(attributes.get(SEQUENCE, "")),
        audience=str(attributes.get(AUDIENCE, "")),
    )


def _time(value: HeaderValue) -> datetime:
    """Return the time in a text (RFC 3339) or in epoch milliseconds, which AMQP 1.0 uses for timestamps.

    A text without an offset is UTC, whatever the time zone of this process.
    """
    try:
        if isinstance(value, int):
            return datetime.fromtimestamp(value / 1000, UTC)
        told = datetime.fromisoformat(value)
        return (told if told.tzinfo else told.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise MalformedMessage(f"the event's time cannot be read: {error}") from error


def _number(value: HeaderValue) -> int:
    text = str(value) or "0"
    if not (text.isascii() and text.isdecimal() and len(text) <= SEQUENCE_DIGITS):
        raise MalformedMessage("the event's sequence is no number")
    return int(text)
