"""Inserts and updates of single rows. As with Django's bulk operations, no signals are sent."""

from collections.abc import Sequence

from django.db import DatabaseError, connections, router
from django.db.models import Model

from messaging.compiled_queries.cursors import execute
from messaging.compiled_queries.statements import (
    fields_of_insert,
    fields_of_update,
    insert_sql,
    key_of,
    update_sql,
    values_of,
)


def insert(*rows: Model) -> None:
    """Insert rows of one model in one statement, and set their primary keys."""
    if rows:
        _insert(rows)


def insert_unless_known(*rows: Model) -> bool:
    """Insert rows, skipping those that violate a unique constraint. Return True if all were inserted.

    The rows get their primary keys only if all were inserted.
    """
    return _insert(rows, on_conflict=" ON CONFLICT DO NOTHING")


def update(row: Model, *names: str, by: str = "") -> None:
    """Write the named fields of a row, and every field with ``auto_now``.

    The row is found by its primary key, or by another unique field if ``by`` names one. Raises
    ``DatabaseError`` if there is no such row.
    """
    model = type(row)
    using = router.db_for_write(model, instance=row)
    key, fields = key_of(model, by), fields_of_update(model, names)
    cursor = execute(
        connections[using],
        update_sql(model, tuple(field.column for field in fields), key.column),
        values_of(row, (*fields, key), using, is_new=False),
    )
    if cursor.rowcount != 1:
        raise not_found(model)


def not_found(model: type[Model]) -> DatabaseError:
    """Return the error of a write to a row that does not exist."""
    return DatabaseError(f"There is no such {model._meta.verbose_name} to write to.")


def _insert(rows: Sequence[Model], *, on_conflict: str = "") -> bool:
    model = type(rows[0])
    using = router.db_for_write(model, instance=rows[0])
    fields, key = fields_of_insert(model), model._meta.pk.column
    cursor = execute(
        connections[using],
        insert_sql(model, len(rows), f'{on_conflict} RETURNING "{key}"'),
        [value for row in rows for value in values_of(row, fields, using, is_new=True)],
    )
    numbers = cursor.fetchall()
    if len(numbers) < len(rows):
        return False
    for row, (number,) in zip(rows, numbers, strict=True):
        row.pk, row._state.adding, row._state.db = number, False, using
    return True
