"""The relay of the outbox: it publishes the rows that are due, left by a crash or written for later."""

import asyncio
import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

import structlog
from django.db import DEFAULT_DB_ALIAS, Error, connections
from django.db.models.functions import Now
from django.utils import timezone

from messaging import crash_points
from messaging.broker import Broker
from messaging.concurrency.database import in_thread
from messaging.conf import conf
from messaging.errors import MessagingError, PublishRefused, Undeliverable
from messaging.outbox.clock import server_time
from messaging.outbox.models import AbstractOutboxMessage
from messaging.outbox.notify import listen

log = structlog.get_logger(__name__)

BATCH = 100
LEASE_SECONDS = 30.0
PUBLISH_TIMEOUT_SECONDS = 10.0
# All messages of a log wait for the slowest of a round, which gets into the outbox after this time.
LOG_TIMEOUT_SECONDS = 2.0
LONGEST_PAUSE_SECONDS = 300.0
# After so many refusals, a minute later, no process waits for a reply any more.
MOST_REFUSALS = 6
_SERVER_TIME = "STATEMENT_TIMESTAMP()"
LEFT_TO_REDELIVERY = "left to the redelivery of its cause, which has its secret"


class Log(Protocol):
    """A table of the outbox's database with messages of another form, which are published in its order."""

    def take(self) -> Sequence[AbstractOutboxMessage]:
        """Take the next messages for the length of a lease, as unsaved rows. Synchronous; commits."""

    def note(self, failed: Sequence[AbstractOutboxMessage]) -> None:
        """Go on behind the taken messages, and write those that failed to the outbox. Synchronous."""


class Relay:
    """A relay of one database's outbox, of which any number may run at once.

    A relay takes rows by moving their ``available_at`` on, in one statement. No transaction is open while it
    publishes. If a relay dies in between, the row is due again after the lease. A relay of a ``log``
    publishes its messages instead; what cannot be published gets into the outbox, for the others.
    """

    def __init__(
        self,
        broker: Broker,
        outbox_model: type[AbstractOutboxMessage],
        *,
        database: str = DEFAULT_DB_ALIAS,
        lease_seconds: float = LEASE_SECONDS,
        poll_seconds: float | None = None,
        log: Log | None = None,
    ) -> None:
        self._broker = broker
        self._model = outbox_model
        self._database = database
        self._lease_seconds = lease_seconds
        self._poll_seconds = poll_seconds or conf.relay_poll_seconds
        self._log = log
        self._publish_timeout_seconds = PUBLISH_TIMEOUT_SECONDS if log is None else LOG_TIMEOUT_SECONDS

    async def run(self, stop: asyncio.Event) -> None:
        """Publish due rows until ``stop`` is set. The broker and the database may be absent meanwhile."""
        woken = asyncio.Event()
        listening = asyncio.ensure_future(self._listen(woken))
        stopping = asyncio.ensure_future(stop.wait())
        try:
            while not stop.is_set():
                connected = asyncio.ensure_future(self._broker.wait_connected())
                await asyncio.wait({connected, stopping}, return_when=asyncio.FIRST_COMPLETED)
                connected.cancel()
                if stop.is_set():
                    return
                # Cleared before the query, so that a row written during the query wakes the relay once more.
                woken.clear()
                if await self._publish_due_if_possible() < BATCH:
                    waking = asyncio.ensure_future(woken.wait())
                    await asyncio.wait(
                        {waking, stopping}, timeout=self._poll_seconds, return_when=asyncio.FIRST_COMPLETED
                    )
                    waking.cancel()
        finally:
            stopping.cancel()
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)

    async def _listen(self, woken: asyncio.Event) -> None:
        if self._log is None:
            await listen(self._model, woken, self._database)

    async def _publish_due_if_possible(self) -> int:
        try:
            return await self.publish_due()
        except Error:
            # Rows that were taken already are due again after the lease.
            log.warning("outbox cannot be read", database=self._database, exc_info=True)
            return 0

    async def publish_due(self) -> int:
        """Do one round: take rows, publish them, record the outcome. Return how many rows were taken."""
        rows = await in_thread(self.take if self._log is None else self._log.take)
        if rows:
            crash_points.reached("relay.taken")
            errors = await asyncio.gather(*(self._publish(row) for row in rows))
            crash_points.reached("relay.published")
            await in_thread(self._note, rows, errors)
        return len(rows)

    def take(self) -> list[AbstractOutboxMessage]:
        """Take due rows for the length of the lease. Synchronous; commits before it returns."""
        every = self._model._default_manager.using(self._database)
        statement, values = self._taking()
        rows = sorted(every.raw(statement, values), key=lambda row: row.pk)
        first_seen = [row.pk for row in rows if _had_secret(row)]
        if first_seen:
            every.filter(pk__in=first_seen).update(attempts=1, last_error=LEFT_TO_REDELIVERY)
        return [row for row in rows if row.pk not in first_seen]

    def _taking(self) -> tuple[str, list[object]]:
        """Return the statement that takes rows, except those that another relay is taking, and its values."""
        connection, lease = connections[self._database], timedelta(seconds=self._lease_seconds)
        values: list[object]
        if connection.vendor == "postgresql":
            now, until, lock, values = _SERVER_TIME, f"{_SERVER_TIME} + %s", "FOR UPDATE SKIP LOCKED", [lease]
        else:
            # SQLite has no clock of its own, and one writer, which needs no row locks.
            at = timezone.now()
            now, until, lock = "%s", "%s", ""
            values = [connection.ops.adapt_datetimefield_value(each) for each in (at, at + lease)]
        table = self._model._meta.db_table
        columns = ", ".join(f'"{field.column}"' for field in self._model._meta.concrete_fields)
        statement = (
            f'WITH due AS (SELECT "id" FROM "{table}" '  # noqa: S608  names of our own
            f'WHERE "published_at" IS NULL AND "available_at" <= {now} '
            f'ORDER BY "available_at" LIMIT {BATCH} {lock}) '
            f'UPDATE "{table}" SET "available_at" = {until} '
            f'WHERE "id" IN (SELECT "id" FROM due) RETURNING {columns}'
        )
        return statement, values

    async def _publish(self, row: AbstractOutboxMessage) -> Exception | None:
        try:
            await self._broker.publish(
                row.exchange, row.routing_key, row.envelope(), timeout_seconds=self._publish_timeout_seconds
            )
        except Undeliverable as error:
            return None if self._may_go_unheard(row) else error
        except PublishRefused as error:
            # The queue of a process that has gone, with its node, refuses everything until the node is back.
            # An event may have been refused by the queue of a listener, which must still get it.
            is_reply = row.exchange == self._broker.topology.replies and self._may_go_unheard(row)
            return None if is_reply and row.attempts >= MOST_REFUSALS else error
        except MessagingError as error:
            return error
        except Exception as error:
            # A row that cannot be made into a message must not stop all others, now and after every restart.
            log.exception("outbox row cannot be published", message_id=row.message_id)
            return error
        return None

    def _may_go_unheard(self, row: AbstractOutboxMessage) -> bool:
        return self._broker.topology.may_go_unheard(row.exchange, row.routing_key)

    def _note(self, rows: Sequence[AbstractOutboxMessage], errors: Sequence[Exception | None]) -> None:
        now = server_time(self._database)
        if self._log is not None:
            self._log.note(_failed(rows, errors, now))
            return
        every = self._model._default_manager.using(self._database)
        published = [row.pk for row, error in zip(rows, errors, strict=True) if error is None]
        every.filter(pk__in=published).update(published_at=now)
        failed = _failed(rows, errors, now)
        every.bulk_update(failed, ["attempts", "last_error", "available_at"])


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


def _had_secret(row: AbstractOutboxMessage) -> bool:
    """Return True if a row is seen for the first time and its message had a sealed secret.

    No row stores a secret. The message that caused the row has it, too, and is about to be redelivered, as
    after an outage of the broker, at the moment at which relays publish again. Its handler then sends the
    row's message complete. Only if the row is still there after a lease is its secret lost.
    """
    return row.carries_sealed and not row.attempts


def _pause_seconds(attempts: int) -> float:
    longest = min(LONGEST_PAUSE_SECONDS, 2.0 ** min(attempts, 10))
    return longest * random.uniform(0.5, 1.0)  # noqa: S311 (spreads load)
