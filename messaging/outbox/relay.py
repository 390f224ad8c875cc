"""A relay: it publishes the messages of a source, and continues after outages of broker or database."""

import asyncio
import math
import random
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

import structlog
from django.db import Error
from django.db.models.functions import Now

from messaging import crash_points, tallies
from messaging.broker import Broker
from messaging.concurrency.database import in_thread, warn_unless_away
from messaging.conf import conf
from messaging.errors import (
    MessagingError,
    NotSendable,
    PublishRefused,
    PublishRejected,
    Undeliverable,
)
from messaging.outbox.clock import server_time
from messaging.outbox.models import AbstractOutboxMessage
from messaging.outbox.notify import QUICK_SECONDS, Bell, pause_seconds

log = structlog.get_logger(__name__)

BATCH = 100
LEASE_SECONDS = 30.0
LONGEST_PAUSE_SECONDS = 300.0
# After so many refusals, about a minute, no process waits for a reply any more.
MOST_REFUSALS = 6
# After so many rejections, which is within half an hour, a message is given up.
MOST_REJECTIONS = 12
# Suspects are tried for so long in a round, and each for so long at most. Together with closing the
# connection, that is less than a third of the lease.
SUSPECTS_SECONDS = LEASE_SECONDS / 6
SUSPECT_SECONDS = LEASE_SECONDS / 10


class Source(Protocol):
    """A table of messages that a relay publishes. Its methods are synchronous, except ``listen``."""

    # The database that holds the messages.
    database: str
    # A round ends when its slowest message has been answered.
    publish_timeout_seconds: float

    def take(self) -> Sequence[AbstractOutboxMessage]:
        """Take the next messages for the length of a lease, at most ``BATCH``, and commit."""

    def note(self, taken: Sequence[AbstractOutboxMessage], failed: Sequence[AbstractOutboxMessage]) -> None:
        """Record that the taken messages were published, except those with an error, which are due again.

        A failed message with ``MOST_REJECTIONS`` is given up instead.
        """

    async def listen(self, bell: Bell) -> None:
        """Set ``bell`` when messages have been written, until cancelled, if the database notifies of them."""

    def due_in(self) -> float:
        """Return the seconds until the next known message is due; infinity without one."""


class Relay:
    """A relay of one source. Any number of relays may run at once.

    A relay takes messages for the length of a lease. No transaction is open while it publishes. If it dies
    before it has recorded the result, the messages are due again after the lease.

    If the broker rejects a message, it closes the channel and does not say which message that was. So all
    messages in flight become suspects, which are tried alone after the others have been published and
    recorded. A rejection counts only if the exchange has accepted another message lately. Otherwise a user
    without permissions, or a faulty broker, would have every message given up. Relays that publish to the
    same exchanges share ``accepted_at``: the loop's time at which each exchange has last accepted a message.
    """

    def __init__(
        self,
        broker: Broker,
        source: Source,
        *,
        poll_seconds: float | None = None,
        accepted_at: dict[str, float] | None = None,
    ) -> None:
        self._broker = broker
        self._source = source
        self._poll_seconds = poll_seconds or conf.relay_poll_seconds
        self._accepted_at = {} if accepted_at is None else accepted_at

    async def run(self, stop: asyncio.Event) -> None:
        """Publish due rows until ``stop`` is set. Outages of the broker or the database do not end this."""
        bell, loop = Bell(), asyncio.get_running_loop()
        is_quick_until, rings = loop.time(), 0
        listening = asyncio.ensure_future(self._source.listen(bell))
        stopping = asyncio.ensure_future(stop.wait())
        try:
            while not stop.is_set():
                connected = asyncio.ensure_future(self._broker.wait_connected())
                await asyncio.wait({connected, stopping}, return_when=asyncio.FIRST_COMPLETED)
                connected.cancel()
                if stop.is_set():
                    return
                # Cleared before the query, so that a row written during the query wakes the relay once more.
                bell.clear()
                count = await self._publish_due_if_possible()
                if count or bell.rings > rings:
                    rings = bell.rings
                    is_quick_until = loop.time() + QUICK_SECONDS
                if count < BATCH:
                    is_quick = not bell.is_heard or loop.time() < is_quick_until
                    seconds = self._poll_seconds if is_quick else await self._long_pause_seconds()
                    waking = asyncio.ensure_future(bell.wait())
                    await asyncio.wait(
                        {waking, stopping}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
                    )
                    waking.cancel()
        finally:
            stopping.cancel()
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)

    async def _long_pause_seconds(self) -> float:
        """Return the seconds until the next known row is due, or until a row may be due without a notice."""
        try:
            due_in = await in_thread(self._source.due_in)
        except Error:
            return self._poll_seconds
        return pause_seconds(due_in, self._poll_seconds)

    async def _publish_due_if_possible(self) -> int:
        try:
            return await self.publish_due()
        except Error as error:
            # Rows that were taken already are due again after the lease.
            warn_unless_away("outbox cannot be read", error, database=self._source.database)
            return 0

    async def publish_due(self) -> int:
        """Do one round: take rows, publish them, record the outcome. Return how many rows were taken."""
        rows = await in_thread(self._source.take)
        if rows:
            crash_points.reached("relay.taken")
        suspects = [row for row in rows if row.is_suspect]
        if others := [row for row in rows if not row.is_suspect]:
            seconds = self._source.publish_timeout_seconds
            outcomes = await asyncio.gather(
                *(self._publish(row, self._broker.publish, seconds) for row in others)
            )
            crash_points.reached("relay.published")
            await in_thread(self._note, others, self._judged(others, outcomes))
        if suspects:
            await self._try_suspects(suspects)
        return len(rows)

    async def _try_suspects(self, suspects: Sequence[AbstractOutboxMessage]) -> None:
        """Publish suspects one by one while there is time. Those that remain are due after the lease."""
        loop = asyncio.get_running_loop()
        until = loop.time() + SUSPECTS_SECONDS
        outcomes: list[Exception | None] = []
        for row in suspects:
            if loop.time() >= until:
                break
            outcomes.append(await self._publish(row, self._broker.publish_alone, SUSPECT_SECONDS))
        tried = suspects[: len(outcomes)]
        await in_thread(self._note, tried, self._judged(tried, outcomes))

    async def _publish(
        self, row: AbstractOutboxMessage, publish: Callable[..., Awaitable[None]], timeout_seconds: float
    ) -> Exception | None:
        try:
            await publish(row.exchange, row.routing_key, row.envelope(), timeout_seconds=timeout_seconds)
        except MessagingError as error:
            tallies.relayed.add(self._source.database, error.code)
            return error
        except Exception as error:
            # If a row cannot be made into a message, the others must still be published, now and after a
            # restart.
            log.exception("outbox row cannot be published", message_id=row.message_id)
            tallies.relayed.add(self._source.database, "defect")
            return error
        tallies.relayed.add(self._source.database, "published")
        return None

    def _judged(
        self, rows: Sequence[AbstractOutboxMessage], outcomes: Sequence[Exception | None]
    ) -> list[Exception | None]:
        """Return the errors after which rows are due again. Mark new suspects, and count rejections."""
        now = asyncio.get_running_loop().time()
        tried = list(zip(rows, outcomes, strict=True))
        self._accepted_at.update({row.exchange: now for row, error in tried if _is_accepted(error)})
        for row, error in tried:
            if isinstance(error, PublishRejected) and not row.is_suspect:
                row.is_suspect = True
            elif _is_because_of_row(error) and self._has_accepted_lately(row.exchange, now):
                row.rejections += 1
        return [None if self._is_done_with(row, error) else error for row, error in tried]

    def _has_accepted_lately(self, exchange: str, now: float) -> bool:
        return now - self._accepted_at.get(exchange, -math.inf) <= LONGEST_PAUSE_SECONDS

    def _is_done_with(self, row: AbstractOutboxMessage, error: Exception | None) -> bool:
        """Return True if the error can be ignored, because no process waits for the message."""
        topology = self._broker.topology
        if not topology.may_go_unheard(row.exchange, row.routing_key):
            return False
        if isinstance(error, PublishRefused | PublishRejected):
            # If the node that had the queue of an ended process is down, the queue refuses every message
            # until the node is back. An event may have been refused by the queue of a listener, which must
            # still get it.
            return row.exchange == topology.replies and row.attempts >= MOST_REFUSALS
        return isinstance(error, Undeliverable)

    def _note(self, rows: Sequence[AbstractOutboxMessage], errors: Sequence[Exception | None]) -> None:
        self._source.note(rows, _failed(rows, errors, server_time(self._source.database)))


def _is_accepted(error: Exception | None) -> bool:
    """Return True if the broker has accepted the message, even if no queue was bound for it."""
    return error is None or isinstance(error, Undeliverable)


def _is_because_of_row(error: Exception | None) -> bool:
    """Return True if the row itself is at fault, and not the broker or the connection."""
    is_ours = error is not None and not isinstance(error, MessagingError)
    return is_ours or isinstance(error, PublishRejected | NotSendable)


def _failed(
    rows: Sequence[AbstractOutboxMessage], errors: Sequence[Exception | None], now: datetime | Now
) -> list[AbstractOutboxMessage]:
    """Return the rows that were not published, due again after a pause."""
    failed = []
    for row, error in zip(rows, errors, strict=True):
        if error is not None:
            row.attempts += 1
            row.last_error = f"{getattr(error, 'code', type(error).__name__)}: {error}"[:200]
            row.available_at = now + timedelta(seconds=_pause_seconds(row.attempts))
            failed.append(row)
    if failed:
        log.warning("outbox rows not published", count=len(failed), reason=failed[0].last_error)
    return failed


def _pause_seconds(attempts: int) -> float:
    longest = min(LONGEST_PAUSE_SECONDS, 2.0 ** min(attempts, 10))
    return longest * random.uniform(0.5, 1.0)  # noqa: S311 (spreads load)
