"""The rows of an outbox as a source of messages: those that are due, left by a crash or written for later."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from django.db import DEFAULT_DB_ALIAS, connections
from django.utils import timezone

from messaging.outbox.clock import server_time
from messaging.outbox.models import AbstractOutboxMessage
from messaging.outbox.notify import listen
from messaging.outbox.relay import BATCH, LEASE_SECONDS

_SERVER_TIME = "STATEMENT_TIMESTAMP()"
LEFT_TO_REDELIVERY = "left to the redelivery of its cause, which has its secret"


class OutboxRows:
    """The rows of one database's outbox (``messaging.outbox.relay.Source``).

    They are taken by moving their ``available_at`` on, in one statement.
    """

    publish_timeout_seconds = 10.0

    def __init__(
        self,
        model: type[AbstractOutboxMessage],
        *,
        database: str = DEFAULT_DB_ALIAS,
        lease_seconds: float = LEASE_SECONDS,
    ) -> None:
        self.database = database
        self._model = model
        self._lease_seconds = lease_seconds

    async def listen(self, woken: asyncio.Event) -> None:
        """Set ``woken`` when a row is written that is due at once, if the database can tell."""
        await listen(self._model, woken, self.database)

    def take(self) -> list[AbstractOutboxMessage]:
        """Take due rows for the length of the lease. Synchronous; commits before it returns."""
        every = self._model._default_manager.using(self.database)
        statement, values = self._taking()
        rows = sorted(every.raw(statement, values), key=lambda row: row.pk)
        first_seen = [row.pk for row in rows if _had_secret(row)]
        if first_seen:
            every.filter(pk__in=first_seen).update(attempts=1, last_error=LEFT_TO_REDELIVERY)
        return [row for row in rows if row.pk not in first_seen]

    def _taking(self) -> tuple[str, list[object]]:
        """Return the statement that takes rows, except those that another relay is taking, and its values."""
        connection, lease = connections[self.database], timedelta(seconds=self._lease_seconds)
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

    def note(self, taken: Sequence[AbstractOutboxMessage], failed: Sequence[AbstractOutboxMessage]) -> None:
        """Mark the rows that were published, and write the others' errors and next attempts."""
        every = self._model._default_manager.using(self.database)
        unpublished = {row.pk for row in failed}
        published = [row.pk for row in taken if row.pk not in unpublished]
        every.filter(pk__in=published).update(published_at=server_time(self.database))
        every.bulk_update(failed, ["attempts", "last_error", "available_at"])


def _had_secret(row: AbstractOutboxMessage) -> bool:
    """Return True if a row is seen for the first time and its message had a sealed secret.

    No row stores a secret. The message that caused the row has it, too, and is about to be redelivered, as
    after an outage of the broker, at the moment at which relays publish again. Its handler then sends the
    row's message complete. Only if the row is still there after a lease is its secret lost.
    """
    return row.carries_sealed and not row.attempts
