"""The monthly partitions of a table of messages: made in advance, and dropped when no longer needed.

A month is dropped with one statement, however many messages it has. To delete them one by one would write
each row once more, and leave its space to be vacuumed.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from django.db import connections, models, transaction

from messaging.outbox import partitions
from messaging.outbox.month import Month, months_from

# The longest time that users of the table have to wait while a month is made or dropped.
LOCK_TIMEOUT = "1s"
Rows = models.QuerySet[models.Model]


class Months:
    """The months of one model's table in one database.

    A migration has divided the table (``partitions.divide_by_month``). Making and dropping raise
    ``OperationalError`` if the table is in use for longer than a second.
    """

    def __init__(self, model: type[models.Model], database: str) -> None:
        self._model = model
        self._database = database
        self._connection = connections[database]

    def make_ahead(self, now: datetime) -> None:
        """Make the missing partitions for the months from ``now`` on."""
        if not self._missing(now):
            return
        with self._short_locks():
            partitions.lock(self._connection, self._model)
            for month in self._missing(now):  # Another process may have made it meanwhile.
                partitions.make(self._connection, self._model, month)

    def drop_before(
        self, long_ago: datetime, are_needed: Callable[[Rows], bool], were_used: Callable[[Rows], bool]
    ) -> int:
        """Drop months before ``long_ago``, unless rows of a month ``are_needed`` or ``were_used``.

        ``were_used`` may read all rows. ``are_needed`` is asked again under a lock for which all users of the
        table wait, because a row may have been written meanwhile: it has to be quick. Return the number of
        months that were dropped.
        """
        old = [month for month in self._known() if month.next.begin <= long_ago]
        return sum(self._dropped(month, are_needed, were_used) for month in old)

    def _dropped(
        self, month: Month, are_needed: Callable[[Rows], bool], were_used: Callable[[Rows], bool]
    ) -> bool:
        rows = self._rows().filter(_is_of(month))
        if are_needed(rows) or were_used(rows):
            return False
        with self._short_locks():
            partitions.lock_for_drop(self._connection, self._model)
            if are_needed(rows):
                return False
            partitions.drop(self._connection, self._model, month)
        return True

    def others(self) -> Rows:
        """Return the rows outside all months, which have to be deleted one by one."""
        others = self._rows()
        for month in self._known():
            others = others.exclude(_is_of(month))
        return others

    def _missing(self, now: datetime) -> list[Month]:
        return sorted({*months_from(now)} - {*self._known()})

    def _known(self) -> list[Month]:
        return partitions.months_of(self._connection, self._model)

    def _rows(self) -> Rows:
        return self._model._default_manager.using(self._database)

    @contextmanager
    def _short_locks(self) -> Iterator[None]:
        with transaction.atomic(using=self._database):
            with self._connection.cursor() as cursor:
                cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
            yield


def _is_of(month: Month) -> models.Q:
    return models.Q(message_id__gte=month.first_id, message_id__lt=month.next.first_id)
