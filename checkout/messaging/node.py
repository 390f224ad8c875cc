"""What arrives on this process's own queue, sorted by who waits for it: RPC callers and local channels."""

from __future__ import annotations

import asyncio
import secrets
from itertools import count
from typing import TYPE_CHECKING, Protocol

import structlog

from checkout.conf import conf
from checkout.errors import MessagingError, TooManyWaiters
from checkout.messaging.envelope import Envelope

if TYPE_CHECKING:
    from checkout.messaging.broker import Delivery

log = structlog.get_logger(__name__)


class ChannelTraffic(Protocol):
    """Who takes what is addressed to channels and groups rather than to a waiting caller."""

    def take(self, delivery: Delivery) -> bool:
        """Whether the delivery was meant for a channel or group."""


class Node:
    """One process's (strictly: one event loop's) address on the broker, and its waiting callers.

    Registering, delivering and forgetting take the same time however many callers wait.
    """

    def __init__(self, prefix: str, boot_id: str | None = None) -> None:
        self.boot_id = boot_id or secrets.token_hex(10)
        self.queue = f"{prefix}.node.{self.boot_id}"
        self.channels: ChannelTraffic | None = None
        self.late_replies = 0
        self._waiters: dict[str, asyncio.Future[Envelope]] = {}
        self._numbers = count()

    @property
    def waiting(self) -> int:
        """How many callers wait for a reply."""
        return len(self._waiters)

    def wait_for_reply(self) -> tuple[str, asyncio.Future[Envelope]]:
        """A new correlation id and the future of its reply; ``forget`` it in a ``finally``.

        Raises TooManyWaiters.
        """
        if len(self._waiters) >= conf.max_waiters:
            raise TooManyWaiters(f"{len(self._waiters)} callers are waiting already")
        correlation_id = f"{self.boot_id}-r{next(self._numbers):x}"
        future: asyncio.Future[Envelope] = asyncio.get_running_loop().create_future()
        self._waiters[correlation_id] = future
        return correlation_id, future

    def forget(self, correlation_id: str) -> None:
        """Nobody waits for this reply any more."""
        self._waiters.pop(correlation_id, None)

    def deliver(self, delivery: Delivery) -> None:
        """Hand a delivery to whoever it is for. The first reply wins; what nobody waits for is counted."""
        envelope = delivery.envelope
        waiter = self._waiters.pop(envelope.correlation_id, None) if envelope else None
        if waiter is not None and envelope is not None:
            if not waiter.done():
                waiter.set_result(envelope)
        elif self.channels is None or not self.channels.take(delivery):
            self.late_replies += 1
            _log_unwanted(delivery)

    def end_waiters(self, error: type[MessagingError], reason: str) -> None:
        """The connection on which replies arrive is lost: end every wait now."""
        waiters, self._waiters = self._waiters, {}
        for waiter in waiters.values():
            if not waiter.done():
                waiter.set_exception(error(reason))


def _log_unwanted(delivery: Delivery) -> None:
    envelope = delivery.envelope
    if envelope is None:
        log.warning("malformed message for this process", defect=delivery.defect)
    else:
        log.info("late reply", subject=envelope.subject, correlation_id=envelope.correlation_id)
