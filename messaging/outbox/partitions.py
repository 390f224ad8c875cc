"""Tables of messages whose rows of each month are a partition of their own (PostgreSQL).

A row's month is that of its message id, because a unique constraint must contain the column by which its
table is divided. Our ids are UUIDs of version 7, which begin with milliseconds (RFC 9562). Rows with other
ids, and rows of a month without a partition, are in one further partition.
"""

from typing import cast

from django.apps.registry import Apps
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations import RunPython
from django.utils import timezone

from messaging.outbox.month import Month, months_from

_PARTITIONS = """
SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid WHERE inhparent = to_regclass(%s)
"""
_UNIQUE = """
SELECT format('ALTER TABLE {table} ADD CONSTRAINT %%I %%s', conname, pg_get_constraintdef(oid))
FROM pg_constraint WHERE conrelid = to_regclass(%s) AND contype = 'u' ORDER BY conname
"""
_DIVIDE = """
ALTER TABLE {table} RENAME TO {before};
ALTER TABLE {before} ALTER COLUMN message_id TYPE {type} COLLATE "C";
CREATE TABLE {table} (LIKE {before} INCLUDING DEFAULTS INCLUDING IDENTITY) PARTITION BY RANGE (message_id);
CREATE TABLE {others} PARTITION OF {table} DEFAULT;
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


def divide_by_month(app_label: str, model_name: str) -> RunPython:
    """Return the operation by which a migration divides a table of messages that it has created.

    The table's indexes are created afterwards, as the last statements of the migration.
    """

    def divide(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
        if schema_editor.connection.vendor == "postgresql":
            model = apps.get_model(app_label, model_name)
            _divide(schema_editor.connection, model, *months_from(timezone.now()))

    return RunPython(divide, RunPython.noop, hints={"model_name": model_name})


def _divide(connection: BaseDatabaseWrapper, model: type[models.Model], *months: Month) -> None:
    """Replace the model's empty table by one that is divided into these months."""
    table = model._meta.db_table
    id = cast("models.CharField[str, str]", model._meta.get_field("message_id"))
    names = {"table": table, "before": f"{table}_before", "others": _others(table), "key": f"{table}_pkey"}
    with connection.cursor() as cursor:
        cursor.execute(_UNIQUE.format(table=table), [table])
        constraints = [sql for (sql,) in cursor.fetchall()]
        cursor.execute(_DIVIDE.format(**names, type=id.db_type(connection)))
        for month in months:
            make(connection, model, month)
        for sql in constraints:
            cursor.execute(sql)


def months_of(connection: BaseDatabaseWrapper, model: type[models.Model]) -> list[Month]:
    """Return the months that have a partition, the oldest first."""
    table = model._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(_PARTITIONS, [table])
        names = [name for (name,) in cursor.fetchall() if name != _others(table)]
    return sorted(Month.named(name.removeprefix(f"{table}_")) for name in names)


def lock(connection: BaseDatabaseWrapper, model: type[models.Model]) -> None:
    """Keep other processes from making months until the end of the transaction. It delays nobody else."""
    with connection.cursor() as cursor:
        cursor.execute(f"LOCK TABLE {model._meta.db_table} IN SHARE UPDATE EXCLUSIVE MODE")


def lock_for_drop(connection: BaseDatabaseWrapper, model: type[models.Model]) -> None:
    """Lock the table as ``drop`` does, before a last look at a month's rows. All users of the table wait."""
    with connection.cursor() as cursor:
        cursor.execute(f"LOCK TABLE {model._meta.db_table} IN ACCESS EXCLUSIVE MODE")


def make(connection: BaseDatabaseWrapper, model: type[models.Model], month: Month) -> None:
    """Make the partition of a month, and move its rows there from the further one. Needs a transaction."""
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
