"""Events as they are sent."""

from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec

from messaging.envelope import (
    EVENT_HEADERS,
    SCHEMA_VERSION,
    SUBJECT,
    Envelope,
    HeaderValue,
    encode_body,
    new_message_id,
)
from messaging.topology import Topology

VERSION = "1.0"
PREFIX = EVENT_HEADERS[0]
# The extensions ``sequence`` (CloudEvents, "Sequence") and ``audience``, our own. A sequence is compared as
# text, so it has leading zeros.
SEQUENCE, AUDIENCE = "sequence", "audience"
SEQUENCE_DIGITS = 10


class CloudEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One event. ``data`` is a struct, a dictionary or JSON in bytes.

    ``sequence`` numbers the events about one ``subject`` from 1, or is 0. ``audience`` is a word without
    dots, the last one of the routing key, so that a subscriber can choose the events of one audience.
    """

    type: str
    source: str
    data: object
    subject: str = ""
    id: str = msgspec.field(default_factory=new_message_id)
    time: datetime = msgspec.field(default_factory=lambda: datetime.now(UTC))
    sequence: int = 0
    audience: str = ""

    def envelope(self, headers: Mapping[str, HeaderValue] | None = None) -> Envelope:
        """Return the event's message, with ``headers`` besides its own."""
        own: dict[str, HeaderValue] = {SCHEMA_VERSION: 1, **(headers or {})}
        if self.subject:
            own[SUBJECT] = self.subject
        attributes = {
            "specversion": VERSION,
            "id": self.id,
            "type": self.type,
            "source": self.source,
            "subject": self.subject,
            "time": self.time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            SEQUENCE: f"{self.sequence:0{SEQUENCE_DIGITS}}" if self.sequence else "",
            AUDIENCE: self.audience,
        }
        # CloudEvents has no empty attributes.
        own |= {f"{PREFIX}{name}": value for name, value in attributes.items() if value}
        return Envelope(type=self.type, body=encode_body(self.data), message_id=self.id, headers=own)

    def routing_key(self, topology: Topology) -> str:
        """Return the key with which the event is published."""
        return topology.event_key(self.type, self.audience)
