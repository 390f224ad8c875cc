"""The SQL that inserts, updates or deletes rows of a model, cached for each model and set of columns."""

from functools import cache, lru_cache
from typing import Any

from django.db import connections
from django.db.models import Field, Model

Fields = tuple["Field[Any, Any]", ...]


def values_of(row: Model, fields: Fields, using: str, *, is_new: bool) -> list[Any]:
    """Return the values of a row's fields as the database takes them. Expressions stay as they are."""
    connection = connections[using]
    return [field.get_db_prep_save(field.pre_save(row, is_new), connection) for field in fields]


@cache
def fields_of_insert(model: type[Model]) -> Fields:
    """Return all fields but the primary key, which the database chooses."""
    return tuple(field for field in model._meta.concrete_fields if not field.primary_key)


@cache
def fields_of_update(model: type[Model], names: tuple[str, ...]) -> Fields:
    """Return the named fields, and every field with ``auto_now``."""
    known = {field.name: field for field in model._meta.concrete_fields}
    told = [field for field in known.values() if getattr(field, "auto_now", False)]
    return *(known[name] for name in names), *told


@cache
def key_of(model: type[Model], name: str) -> "Field[Any, Any]":
    """Return the field by which a row is found: the named one, or the primary key."""
    known = {field.name: field for field in model._meta.concrete_fields}
    return known[name or model._meta.pk.name]


@lru_cache(maxsize=1000)
def insert_sql(model: type[Model], count: int, ending: str = "") -> str:
    """Return the SQL that inserts so many rows."""
    fields = fields_of_insert(model)
    columns = ", ".join(f'"{field.column}"' for field in fields)
    row = f"({', '.join(['%s'] * len(fields))})"
    values = ", ".join([row] * count)
    return f'INSERT INTO "{model._meta.db_table}" ({columns}) VALUES {values}{ending}'  # noqa: S608


@cache
def update_sql(model: type[Model], columns: tuple[str, ...], by: str) -> str:
    """Return the SQL that changes the columns in the rows that are found by another column."""
    changes = ", ".join(f'"{column}" = %s' for column in columns)
    return f'UPDATE "{model._meta.db_table}" SET {changes} WHERE "{by}" = %s'  # noqa: S608


@lru_cache(maxsize=1000)
def delete_sql(model: type[Model], count: int) -> str:
    """Return the SQL that deletes so many rows by their primary keys."""
    keys = ", ".join(["%s"] * count)
    table, key = model._meta.db_table, model._meta.pk.column
    return f'DELETE FROM "{table}" WHERE "{key}" IN ({keys})'  # noqa: S608
