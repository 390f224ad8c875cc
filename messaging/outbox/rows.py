"""The due rows of an outbox: those left by a crash, and those written for later."""

import random
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import structlog
from django.db import DEFAULT_DB_ALIAS, connections
from django.utils import timezone
from msgspec.structs import replace

from messaging.broker import user_of
from messaging.conf import conf
from messaging.dead_letters.letter import of_rejected
from messaging.envelope import Envelope
from messaging.errors import PublishRefused
from messaging.outbox.clock import seconds_until, server_time
from messaging.outbox.models import AbstractOutboxMessage
from messaging.outbox.notify import Bell, listen
from messaging.outbox.relay import BATCH, LEASE_SECONDS, LONGEST_PAUSE_SECONDS, MOST_REJECTIONS
from messaging.topology import Topology

log = structlog.get_logger(__name__)

_SERVER_TIME = "STATEMENT_TIMESTAMP()"
# The most events that one statement postpones, so that it takes a fraction of a second.
MOST_POSTPONED = 10_000
LEFT_TO_REDELIVERY = "left to the redelivery of its cause, which has its secret"


class OutboxRows:
    """The rows of one database's outbox (``messaging.outbox.relay.Source``).

    Taking a row sets its ``available_at`` to a later time, in one statement. The message of a row that is
    given up goes to ``keep`` as a dead letter, perhaps twice.
    """

    publish_timeout_seconds = 10.0

    def __init__(
        self,
        model: type[AbstractOutboxMessage],
        keep: Callable[[Envelope], None],
        *,
        database: str = DEFAULT_DB_ALIAS,
        lease_seconds: float = LEASE_SECONDS,
    ) -> None:
        self.database = database
        self._model = model
        self._keep = keep
        self._lease_seconds = lease_seconds

    async def listen(self, bell: Bell) -> None:
        """See ``Source``."""
        await listen(self._model, bell, self.database)

    def due_in(self) -> float:
        """See ``Source``."""
        rows = self._model._default_manager.using(self.database).filter(published_at=None)
        return seconds_until(rows, "available_at")

    def take(self) -> list[AbstractOutboxMessage]:
        """Take due rows for the length of the lease. Synchronous; commits before it returns."""
        every = self._model._default_manager.using(self.database)
        statement, values = self._moving(timedelta(seconds=self._lease_seconds), BATCH)
        columns = ", ".join(f'"{field.column}"' for field in self._model._meta.concrete_fields)
        rows = sorted(every.raw(f"{statement} RETURNING {columns}", values), key=lambda row: row.pk)
        first_seen = [row.pk for row in rows if _had_secret(row)]
        if first_seen:
            every.filter(pk__in=first_seen).update(attempts=1, last_error=LEFT_TO_REDELIVERY)
        return [row for row in rows if row.pk not in first_seen]

    def _moving(
        self, pause: timedelta, limit: int, condition: str = "", *compared: str
    ) -> tuple[str, list[Any]]:
        """Return a statement that makes due rows due again after a pause, and its values.

        The statement skips the rows that another relay is moving.
        """
        connection = connections[self.database]
        values: list[Any]
        if connection.vendor == "postgresql":
            now, until, lock = _SERVER_TIME, f"{_SERVER_TIME} + %s", "FOR UPDATE SKIP LOCKED"
            values = [*compared, pause]
        else:
            # SQLite has no clock of its own, and only one writer, so it needs no row locks.
            at = timezone.now()
            now, until, lock = "%s", "%s", ""
            first, last = (connection.ops.adapt_datetimefield_value(each) for each in (at, at + pause))
            values = [first, *compared, last]
        table = self._model._meta.db_table
        statement = (
            f'WITH due AS (SELECT "id" FROM "{table}" '  # noqa: S608  names of our own
            f'WHERE "published_at" IS NULL AND "available_at" <= {now} {condition}'
            f'ORDER BY "available_at" LIMIT {limit} {lock}) '
            f'UPDATE "{table}" SET "available_at" = {until} '
            f'WHERE "id" IN (SELECT "id" FROM due)'
        )
        return statement, values

    def note(self, taken: Sequence[AbstractOutboxMessage], failed: Sequence[AbstractOutboxMessage]) -> None:
        """Mark the rows that were published, and write the errors and next attempts of the others."""
        every = self._model._default_manager.using(self.database)
        unpublished = {row.pk for row in failed}
        published = [row.pk for row in taken if row.pk not in unpublished]
        every.filter(pk__in=published).update(published_at=server_time(self.database))
        every.bulk_update(failed, ["attempts", "last_error", "available_at", "is_suspect", "rejections"])
        events = sum(row.exchange == _events() for row in taken)
        refused = sum(row.exchange == _events() and _is_refused(row) for row in failed)
        if refused == events >= BATCH // 2:
            self.postpone_refused_events()
        for row in failed:
            if row.rejections >= MOST_REJECTIONS:
                self._try_to_give_up(row)

    def _try_to_give_up(self, row: AbstractOutboxMessage) -> None:
        """Store the message as a dead letter. If that fails, the row is due again, and the others go on."""
        try:
            self._keep(_dead_letter(row))
        except Exception:
            log.exception("dead letter not kept yet", message_id=row.message_id)
            return
        now = server_time(self.database)
        rows = self._model._default_manager.using(self.database)
        rows.filter(pk=row.pk).update(given_up_at=now, published_at=now)

    def postpone_refused_events(self) -> None:
        """Make due events that a queue refused before due again later, without trying them.

        While a listener's queue is full, hundreds of thousands of events may wait for it. To try each of them
        again would take all of a relay's time, and delay the commands that are due.
        """
        pause = timedelta(seconds=LONGEST_PAUSE_SECONDS * random.uniform(0.5, 1.0))  # noqa: S311 (spreads load)
        condition = 'AND "exchange" = %s AND "last_error" LIKE %s '
        statement, values = self._moving(
            pause, MOST_POSTPONED, condition, _events(), f"{PublishRefused.code}%"
        )
        with connections[self.database].cursor() as cursor:
            cursor.execute(statement, values)


def _dead_letter(row: AbstractOutboxMessage) -> Envelope:
    envelope = replace(row.envelope(), user_id=user_of(conf.broker_url))
    why = f"it cannot be published: {row.last_error}"
    return of_rejected(envelope, Topology(conf.prefix), row.exchange, row.routing_key, why)


def _events() -> str:
    return Topology(conf.prefix).events


def _is_refused(row: AbstractOutboxMessage) -> bool:
    return row.last_error.startswith(PublishRefused.code)


def _had_secret(row: AbstractOutboxMessage) -> bool:
    """Return True if a row is seen for the first time and its message had a sealed secret.

    No row stores a secret. The secret is also in the message that caused the row, which the broker is about
    to deliver again, for example after an outage. The handler of that message then sends the row's message
    with the secret. The secret is lost only if the row is still there after a lease.
    """
    return row.carries_sealed and not row.attempts
