"""The reply queue of this process, and the dispatch of its deliveries."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

import structlog

from messaging.errors import MessagingError
from messaging.logs.limited import write_limited

if TYPE_CHECKING:
    from messaging.delivery import Delivery
    from messaging.topology import Topology

log = structlog.get_logger(__name__)

# A message to this queue is never stored in a table, so its headers may have a hundred kilobytes.
LONGEST_SUBJECT = 100


class ChannelTraffic(Protocol):
    """The channel layer's part of the reply queue: it takes the deliveries for this event loop's channels."""

    @property
    def waiting(self) -> int:
        """The number of callers that wait for a reply."""

    def take(self, delivery: Delivery) -> bool:
        """Handle the delivery if it is for a channel or group. Return False if it is not."""

    def end_waits(self, error: Callable[[], Exception], *, only_sent: bool) -> None:
        """End every wait for a reply, or only those whose commands were sent."""


class ReplyQueue:
    """The address of one process (strictly: one event loop) on the broker, and the reader of its queue."""

    def __init__(self, topology: Topology, owner: str) -> None:
        self.instance_id = f"{owner}-{secrets.token_hex(10)}"
        self.name = topology.instance_queue_name(self.instance_id)
        self.channels: ChannelTraffic | None = None
        self.late_replies = 0
        self.not_entitled = 0

    @property
    def waiting(self) -> int:
        """The number of callers that wait for a reply."""
        return self.channels.waiting if self.channels else 0

    def deliver(self, delivery: Delivery) -> None:
        """Pass a delivery to its channel or its waiting caller. Log and count one that has neither."""
        if self.channels is None or not self.channels.take(delivery):
            self.late_replies += 1
            _log_unwanted(delivery)

    def end_waiters(self, error: type[MessagingError], reason: str) -> None:
        """End the waits for commands that were sent: the connection for their replies is lost."""
        if self.channels:
            self.channels.end_waits(lambda: error(reason), only_sent=True)

    def stop_waiting(self) -> None:
        """End every wait for a reply now, as if its time were up."""
        if self.channels:
            self.channels.end_waits(TimeoutError, only_sent=False)


def _log_unwanted(delivery: Delivery) -> None:
    envelope = delivery.envelope
    if envelope is None:
        write_limited(log.warning, "malformed message for this process", defect=delivery.defect)
    else:
        about = {"subject": envelope.subject[:LONGEST_SUBJECT], "correlation_id": envelope.correlation_id}
        write_limited(log.info, "late reply", **about)
