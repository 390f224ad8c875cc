"""Add filter conditions on a table's own columns to a query, bypassing Django's costly analysis of names.

This covers most of the product's filters: conditions like ``column=value`` (also ``in``, ``lt``, ``isnull``)
or ``foreign_key=row``, joined by AND, on a query of one table. Django would build the same query.
"""

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.db.models import Field, Lookup, Model, QuerySet
from django.db.models.constants import LOOKUP_SEP
from django.db.models.sql import Query
from django.db.models.sql.where import AND


def take_over() -> None:
    """Add all plain filters of this process directly."""
    add_any = QuerySet._filter_or_exclude_inplace

    def add(queryset: QuerySet[Any], negate: bool, args: Any, wanted: Mapping[str, Any]) -> None:
        if negate or args or not _add_plain(queryset._query, wanted):
            add_any(queryset, negate, args, wanted)

    QuerySet._filter_or_exclude_inplace = add


def _add_plain(query: Query, wanted: Mapping[str, Any]) -> bool:
    """Add these conditions if all of them are plain. Return True if they were added."""
    if len(query.alias_map) > 1 or query.annotations or query.where.connector != AND or query.where.negated:
        return False
    lookups = [_lookup(query.model, name) for name in wanted]
    if None in lookups:
        return False
    conditions = [(*lookup, value) for lookup, value in zip(lookups, wanted.values(), strict=True)]
    if not all(_is_plain(value) or _is_reference(field, value) for field, _, value in conditions):
        return False
    for field, lookup, value in conditions:
        column = field.get_col(query.get_initial_alias(), field)
        query.where.children.append(lookup(column, value))
    return True


@cache
def _lookup(model: type[Model], name: str) -> "tuple[Field[Any, Any], type[Lookup[Any]]] | None":
    """Return the column and the comparison that a name stands for, or None if the name is not plain."""
    column, _, comparison = name.partition(LOOKUP_SEP)
    try:
        field = model._meta.pk if column == "pk" else model._meta.get_field(column)
    except FieldDoesNotExist:
        return None
    if not isinstance(field, Field) or field not in model._meta.local_concrete_fields:
        return None
    if field.is_relation and comparison:
        return None
    lookup = field.get_lookup(comparison or "exact")
    return None if lookup is None else (field, lookup)


def _is_plain(value: Any) -> bool:
    """Return True for a value or a list of values; False for an expression, a query or a row."""
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return isinstance(value, str | int | datetime)


def _is_reference(field: "Field[Any, Any]", value: Any) -> bool:
    is_row = isinstance(value, Model) and value.pk is not None
    return is_row and field.is_relation and type(value) is field.related_model
