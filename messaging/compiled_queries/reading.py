"""Queries that differ only in their values from one use to the next."""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from django.core.exceptions import ObjectDoesNotExist
from django.db import connections
from django.db.backends.base.operations import BaseDatabaseOperations
from django.db.models import Expression, Model, QuerySet
from django.db.models.sql.compiler import SQLCompiler
from django.db.transaction import TransactionManagementError

from messaging.compiled_queries.cursors import MADE_FOR, execute
from messaging.libraries.versions import is_made_for

M = TypeVar("M", bound=Model)

Row = list[Any]
# Converts a column's value to that of the model's field, given the value, the column and the connection.
Converter = Callable[[Any, Any, Any], Any]


class _Parameter(Expression):
    """A placeholder in a query for a value that is known only when the query is run."""

    def __init__(self, position: int) -> None:
        super().__init__()
        self.position = position

    def as_sql(self, compiler: SQLCompiler, connection: object) -> Any:
        """See ``Expression``: the parameter of the SQL is this object itself."""
        return "%s", [self]


class Compiled(Generic[M]):
    """A queryset compiled once. ``make`` builds it from the values with which its columns are compared.

    ``make`` is called once, with placeholders for the values, which may be strings or integers. Models that
    the queryset fetches with ``select_related`` and annotations are filled in, too.
    """

    def __init__(self, make: Callable[..., QuerySet[M]]) -> None:
        self._make = make
        self._query: _Query | None = None

    def all(self, *values: str | int) -> list[M]:
        """Return all models that match."""
        if not is_made_for(*MADE_FOR):
            return list(self._make(*values))
        self._query = self._query or _compile(self._make)
        return cast(list[M], list(self._query.run(values)))

    def first(self, *values: str | int) -> M | None:
        """Return the first model that matches, or None."""
        return next(iter(self.all(*values)), None)

    def get(self, *values: str | int) -> M:
        """Return the first model that matches. Raises ``ObjectDoesNotExist`` if there is none."""
        found = self.first(*values)
        if found is None:
            raise ObjectDoesNotExist(f"Nothing is found for {values}.")
        return found


@dataclass(frozen=True, slots=True)
class _Model:
    """The columns of a row that hold one model, and the related models that are fetched with it."""

    model: type[Model]
    names: list[str]
    columns: slice
    key: int
    related: "list[tuple[_Model, Callable[[Model, Model | None], None]]]"

    def read(self, row: Row, using: str) -> Model | None:
        if row[self.key] is None:
            return None
        instance = self.model.from_db(using, self.names, row[self.columns])
        for related, set_on in self.related:
            set_on(instance, related.read(row, using))
        return instance


@dataclass(frozen=True, slots=True)
class _Query:
    using: str
    sql: str
    parameters: tuple[Any, ...]
    model: _Model
    annotations: dict[str, int]
    converters: list[tuple[int, list[Converter], Any]]
    locks: bool

    def run(self, values: tuple[str | int, ...]) -> Iterator[Model | None]:
        connection = connections[self.using]
        if self.locks and not connection.in_atomic_block:
            raise TransactionManagementError("A lock lasts as long as its transaction: there is none.")
        cursor = execute(
            connection,
            self.sql,
            [values[each.position] if isinstance(each, _Parameter) else each for each in self.parameters],
        )
        rows = [list(row) for row in cursor.fetchall()]
        for row in rows:
            for position, converters, column in self.converters:
                for convert in converters:
                    row[position] = convert(row[position], column, connection)
            instance = self.model.read(row, self.using)
            for name, position in self.annotations.items():
                setattr(instance, name, row[position])
            yield instance


def _compile(make: Callable[..., QuerySet[Any]]) -> _Query:
    count = len(inspect.signature(make).parameters)
    queryset = make(*map(_Parameter, range(count)))
    compiler = queryset.query.get_compiler(using=queryset.db)
    sql, parameters = compiler.as_sql()
    columns = [column for column, *_ in compiler.select]
    converters = compiler.get_converters(columns)
    return _Query(
        using=queryset.db,
        sql=sql,
        parameters=tuple(parameters),
        model=_model(compiler.klass_info, columns),
        annotations=compiler.annotation_col_map or {},
        converters=[
            (position, [_detached(convert) for convert in each], column)
            for position, (each, column) in converters.items()
        ],
        locks=queryset.query.select_for_update,
    )


def _detached(convert: Converter) -> Converter:
    """Return a converter that does not depend on the connection with which the query was compiled."""
    if not isinstance(getattr(convert, "__self__", None), BaseDatabaseOperations):
        return convert
    function = convert.__func__  # type: ignore[attr-defined]
    return lambda value, column, connection: function(connection.ops, value, column, connection)


def _model(info: dict[str, Any], columns: list[Any]) -> _Model:
    fields = info["select_fields"]
    names = [columns[position].target.attname for position in fields]
    return _Model(
        model=info["model"],
        names=names,
        columns=slice(fields[0], fields[-1] + 1),
        key=fields[names.index(info["model"]._meta.pk.attname)],
        related=[
            (_model(each, columns), each["local_setter"]) for each in info.get("related_klass_infos", ())
        ],
    )
