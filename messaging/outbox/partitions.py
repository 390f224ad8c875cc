"""Tables of messages whose rows of each month are a partition of their own (PostgreSQL).

A row's month is that of its message id, because a unique constraint must contain the column by which its
table is divided. Our ids are UUIDs of version 7, which begin with milliseconds (RFC 9562). Rows with other
ids, and of a month that has no partition, are in the partition of all others.
"""

from typing import cast

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

from messaging.outbox.month import Month

_IS_DIVIDED = "SELECT relkind = 'p' FROM pg_class WHERE oid = to_regclass(%s)"
_PARTITIONS = """
SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid WHERE inhparent = to_regclass(%s)
"""
_UNIQUE = """
SELECT format('ALTER TABLE {table} ADD CONSTRAINT %%I %%s', conname, pg_get_constraintdef(oid))
FROM pg_constraint WHERE conrelid = to_regclass(%s) AND contype = 'u' ORDER BY conname
"""
_INDEXES = """
SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = to_regclass(%s)
AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid) ORDER BY indexrelid
"""
_DIVIDE = """
LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE;
ALTER TABLE {table} RENAME TO {before};
ALTER TABLE {before} ALTER COLUMN message_id TYPE {type} COLLATE "C";
CREATE TABLE {table} (LIKE {before} INCLUDING DEFAULTS INCLUDING IDENTITY) PARTITION BY RANGE (message_id);
CREATE TABLE {others} PARTITION OF {table} DEFAULT
"""
_MOVE = """
INSERT INTO {table} OVERRIDING SYSTEM VALUE SELECT * FROM {before};
SELECT setval(pg_get_serial_sequence('{table}', 'id'), greatest((SELECT max(id) FROM {table}), 1));
DROP TABLE {before};
ALTER TABLE {table} ADD CONSTRAINT {key} PRIMARY KEY (id, message_id)
"""
_MAKE = """
CREATE TABLE {month} (LIKE {table} INCLUDING DEFAULTS);
LOCK TABLE {others} IN ACCESS EXCLUSIVE MODE;
WITH moved AS (
  DELETE FROM {others} WHERE message_id >= '{first}' AND message_id < '{end}' RETURNING *
) INSERT INTO {month} SELECT * FROM moved;
ALTER TABLE {table} ATTACH PARTITION {month} FOR VALUES FROM ('{first}') TO ('{end}')
"""


def is_divided(connection: BaseDatabaseWrapper, model: type[models.Model]) -> bool:
    """Return True if the model's table has partitions in this database."""
    if connection.vendor != "postgresql":
        return False
    with connection.cursor() as cursor:
        cursor.execute(_IS_DIVIDED, [model._meta.db_table])
        row: tuple[bool] | None = cursor.fetchone()
    return row == (True,)


def divide(connection: BaseDatabaseWrapper, model: type[models.Model], *months: Month) -> None:
    """Replace the model's table by one with these months. Its rows are copied, while all others wait.

    Call this in a transaction.
    """
    table, before = model._meta.db_table, f"{model._meta.db_table}_before"
    id = cast("models.CharField[str, str]", model._meta.get_field("message_id"))
    names = {"table": table, "before": before, "others": _others(table), "key": f"{table}_pkey"}
    with connection.cursor() as cursor:
        cursor.execute(_UNIQUE.format(table=table), [table])
        again = [sql for (sql,) in cursor.fetchall()]
        cursor.execute(_INDEXES, [table])
        again += [sql for (sql,) in cursor.fetchall()]
        cursor.execute(_DIVIDE.format(**names, type=id.db_type(connection)))
        for month in months:
            make(connection, model, month)
        cursor.execute(_MOVE.format(**names))
        for sql in again:
            cursor.execute(sql)


def months_of(connection: BaseDatabaseWrapper, model: type[models.Model]) -> list[Month]:
    """Return the months that have a partition, the oldest first."""
    table = model._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(_PARTITIONS, [table])
        names = [name for (name,) in cursor.fetchall() if name != _others(table)]
    return sorted(Month.named(name.removeprefix(f"{table}_")) for name in names)


def lock(connection: BaseDatabaseWrapper, model: type[models.Model]) -> None:
    """Keep other processes from making months, until the end of the transaction. Nobody else waits."""
    with connection.cursor() as cursor:
        cursor.execute(f"LOCK TABLE {model._meta.db_table} IN SHARE UPDATE EXCLUSIVE MODE")


def lock_for_drop(connection: BaseDatabaseWrapper, model: type[models.Model]) -> None:
    """Take the lock that dropping a month takes, before a last look at its rows. All others wait."""
    with connection.cursor() as cursor:
        cursor.execute(f"LOCK TABLE {model._meta.db_table} IN ACCESS EXCLUSIVE MODE")


def make(connection: BaseDatabaseWrapper, model: type[models.Model], month: Month) -> None:
    """Make the partition of a month, and move its rows there from the others. Call this in a transaction."""
    table = model._meta.db_table
    names = {"table": table, "others": _others(table), "month": _name(table, month)}
    with connection.cursor() as cursor:
        cursor.execute(_MAKE.format(**names, first=month.first_id, end=month.next.first_id))


def drop(connection: BaseDatabaseWrapper, model: type[models.Model], month: Month) -> None:
    """Drop the partition of a month with its rows, if it is still there."""
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE IF EXISTS {_name(model._meta.db_table, month)}")


def _name(table: str, month: Month) -> str:
    return f"{table}_{month}"


def _others(table: str) -> str:
    return f"{table}_others"
