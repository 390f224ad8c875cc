"""Inserts and updates of single rows. As with Django's bulk operations, no signals are sent."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from django.db import DatabaseError, connections, router
from django.db.models import Field, Model

from messaging.compiled_queries.cursors import cursor_of

Fields = tuple["Field[Any, Any]", ...]


def insert(*rows: Model, using: str = "") -> None:
    """Insert rows of one model in one statement, and set their primary keys.

    The database router chooses the database, unless ``using`` names it.
    """
    if rows:
        _insert(rows, using=using)


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
    using = router.db_for_write(type(row), instance=row)
    sql, fields = _update_of(type(row), names, by or row._meta.pk.name)
    cursor = cursor_of(connections[using])
    cursor.execute(sql, _values(row, fields, using, is_new=False))
    if cursor.rowcount != 1:
        raise DatabaseError(f"There is no such {row._meta.verbose_name} to write to.")


def _insert(rows: Sequence[Model], *, using: str = "", on_conflict: str = "") -> bool:
    model = type(rows[0])
    using = using or router.db_for_write(model, instance=rows[0])
    sql, fields = _insert_of(model, len(rows), on_conflict)
    cursor = cursor_of(connections[using])
    cursor.execute(sql, [value for row in rows for value in _values(row, fields, using, is_new=True)])
    numbers = cursor.fetchall()
    if len(numbers) < len(rows):
        return False
    for row, (number,) in zip(rows, numbers, strict=True):
        row.pk, row._state.adding, row._state.db = number, False, using
    return True


def _values(row: Model, fields: Fields, using: str, *, is_new: bool) -> list[Any]:
    connection = connections[using]
    return [field.get_db_prep_save(field.pre_save(row, is_new), connection) for field in fields]


@cache
def _insert_of(model: type[Model], count: int, on_conflict: str) -> tuple[str, Fields]:
    fields = tuple(field for field in model._meta.concrete_fields if not field.primary_key)
    columns = ", ".join(f'"{field.column}"' for field in fields)
    row = f"({', '.join(['%s'] * len(fields))})"
    values = ", ".join([row] * count)
    table, key = model._meta.db_table, model._meta.pk.column
    return f'INSERT INTO "{table}" ({columns}) VALUES {values}{on_conflict} RETURNING "{key}"', fields  # noqa: S608


@cache
def _update_of(model: type[Model], names: tuple[str, ...], by: str) -> tuple[str, Fields]:
    known = {field.name: field for field in model._meta.concrete_fields}
    told = [field for field in known.values() if getattr(field, "auto_now", False)]
    fields, key = [*(known[name] for name in names), *told], known[by]
    changes = ", ".join(f'"{field.column}" = %s' for field in fields)
    table = model._meta.db_table
    return f'UPDATE "{table}" SET {changes} WHERE "{key.column}" = %s', (*fields, key)  # noqa: S608
