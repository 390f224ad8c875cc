"""A cache of compiled SQL for statements that differ only in values, since compiling is their main cost.

Only plain statements are cached: those that compare columns with values. Django compiles all others again.
When a statement is compiled for the first time, both Django and this module collect its values. If they
differ, the statement is not cached.
"""

from collections.abc import Hashable
from typing import Any

from django.db.models import Lookup
from django.db.models.expressions import Col
from django.db.models.lookups import In, IsNull
from django.db.models.sql import Query, UpdateQuery
from django.db.models.sql.compiler import SQLCompiler, SQLUpdateCompiler
from django.db.models.sql.where import WhereNode

Statement = tuple[str, tuple[Any, ...]]


class _NotPlain(Exception):
    """Raised for a statement that cannot be cached."""


def take_over() -> None:
    """Use the cache for all queries of this process."""
    _Selects(SQLCompiler.as_sql).take_over()
    _Updates(SQLUpdateCompiler.as_sql).take_over()


class _Selects:
    """Cached SELECT statements, with the compiler's attributes that are needed to read their results."""

    STATE = ("select", "klass_info", "annotation_col_map", "col_count", "has_extra_select")

    def __init__(self, compile_select: Any) -> None:
        self._compile = compile_select
        self._known: dict[Hashable, tuple[str, tuple[Any, ...]]] = {}

    def take_over(self) -> None:
        def as_sql(compiler: SQLCompiler, *args: Any, **options: Any) -> Statement:
            if args or options or type(compiler) is not SQLCompiler or type(compiler.query) is not Query:
                return self._compile(compiler, *args, **options)
            return self._remembered(compiler)

        SQLCompiler.as_sql = as_sql

    def _remembered(self, compiler: SQLCompiler) -> Statement:
        try:
            key = _select_key(compiler.query)
        except _NotPlain:
            return self._compile(compiler)
        known = self._known.get(key)
        if known is not None:
            sql, state = known
            for name, value in zip(self.STATE, state, strict=True):
                setattr(compiler, name, value)
            return sql, tuple(_values(compiler.query.where, compiler))
        sql, parameters = self._compile(compiler)
        if tuple(_values(compiler.query.where, compiler)) == tuple(parameters):
            self._known[key] = sql, tuple(getattr(compiler, name) for name in self.STATE)
        return sql, parameters


class _Updates:
    """Cached UPDATE statements of one table."""

    def __init__(self, compile_update: Any) -> None:
        self._compile = compile_update
        self._known: dict[Hashable, str] = {}

    def take_over(self) -> None:
        def as_sql(compiler: SQLUpdateCompiler) -> Statement:
            return self._remembered(compiler)

        SQLUpdateCompiler.as_sql = as_sql

    def _remembered(self, compiler: SQLUpdateCompiler) -> Statement:
        try:
            key = _update_key(compiler.query)
        except _NotPlain:
            return self._compile(compiler)
        sql = self._known.get(key)
        if sql is not None:
            return sql, tuple(_new_values(compiler))
        sql, parameters = self._compile(compiler)
        if tuple(_new_values(compiler)) == tuple(parameters):
            self._known[key] = sql
        return sql, parameters


def _select_key(query: Query) -> Hashable:
    """Return everything that determines the SQL of a query, except the values."""
    is_special = (
        query.annotations
        or query.extra
        or query.combinator
        or query.distinct
        or query.group_by is not None
        or query.extra_order_by
        or query.extra_tables
        or query.explain_info
        or any(type(name) is not str for name in query.order_by)
    )
    if is_special:
        raise _NotPlain
    fields, are_deferred = query.deferred_loading
    return (
        query.model,
        query.default_cols,
        tuple((column.alias, column.target) for column in query.select),
        tuple(query.values_select),
        (frozenset(fields), are_deferred),
        repr(query.select_related),
        (tuple(query.order_by), query.standard_ordering, query.default_ordering),
        (query.low_mark, query.high_mark),
        query.select_for_update,
        _tables(query),
        _where_key(query.where),
    )


def _update_key(query: UpdateQuery) -> Hashable:
    if len(query.alias_map) > 1 or query.related_updates or query.annotations or not query.values:
        raise _NotPlain
    changes = []
    for field, _, value in query.values:
        is_special = hasattr(value, "resolve_expression") or hasattr(value, "prepare_database_save")
        if is_special or hasattr(field, "get_placeholder"):
            raise _NotPlain
        changes.append((field, value is None))
    return query.model, tuple(changes), _tables(query), _where_key(query.where)


def _tables(query: Query) -> Hashable:
    return tuple(
        (alias, table.table_name, table.join_type, query.alias_refcount[alias])
        for alias, table in query.alias_map.items()
    )


def _where_key(where: WhereNode) -> Hashable:
    return (where.connector, where.negated, *(_condition_key(condition) for condition in where.children))


def _condition_key(condition: Any) -> Hashable:
    if type(condition) is WhereNode:
        return _where_key(condition)
    if not isinstance(condition, Lookup) or type(condition.lhs) is not Col or condition.bilateral_transforms:
        raise _NotPlain
    value = condition.rhs
    if hasattr(value, "resolve_expression") or hasattr(value, "as_sql"):
        raise _NotPlain
    shape: Hashable = None
    if isinstance(condition, In):
        if not value or None in value:
            raise _NotPlain
        shape = len(set(value))
    elif isinstance(condition, IsNull):
        shape = value
    elif value is None:
        raise _NotPlain
    return type(condition), condition.lhs.alias, condition.lhs.target, shape


def _values(where: WhereNode, compiler: SQLCompiler) -> list[Any]:
    """Return the values of all conditions, in the order of their placeholders in the SQL."""
    values: list[Any] = []
    for condition in where.children:
        if type(condition) is WhereNode:
            values += _values(condition, compiler)
        elif not isinstance(condition, IsNull):
            values += condition.process_rhs(compiler, compiler.connection)[1]
    return values


def _new_values(compiler: SQLUpdateCompiler) -> list[Any]:
    new = [
        field.get_db_prep_save(value, connection=compiler.connection)
        for field, _, value in compiler.query.values
        if value is not None
    ]
    return new + _values(compiler.query.where, compiler)
