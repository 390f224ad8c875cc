"""Writes that wait for the end of their transaction, and then are one statement.

A statement costs a round trip, for which a thread and its locks wait, and wakes two processes. Most writes of
a handler are not read again in its transaction: they are collected, and PostgreSQL gets all of them at once,
as the parts of a ``WITH``. Other databases get them one after the other.

If a transaction has nothing but one such statement, BEGIN and COMMIT are left out: the statement is a
transaction by itself.

A batch only delays writes. Any other statement on the connection first sends the writes collected so far,
unless it only reads from, or inserts into, tables that they do not touch.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from django.db import DEFAULT_DB_ALIAS, IntegrityError, connections, router
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Model
from django.db.models.sql import Query
from django.db.transaction import TransactionManagementError

from messaging.compiled_queries.cursors import execute
from messaging.compiled_queries.statements import (
    delete_sql,
    fields_of_insert,
    fields_of_update,
    insert_sql,
    key_of,
    update_sql,
    values_of,
)
from messaging.compiled_queries.writing import not_found

# An attribute of Django's connection object, which belongs to one thread.
_OPEN = "_write_batch"
# The beginnings of statements that may run before a batch is sent, if they do not mention its tables.
_APART = ("SELECT ", "INSERT INTO ")


@contextmanager
def batch(using: str = DEFAULT_DB_ALIAS, *, is_last: bool = False) -> Iterator[None]:
    """Collect the writes of the block, and write them at its end, in the caller's transaction.

    If the block fails, nothing more is written: its transaction has to be rolled back. A batch within another
    one is a part of it. If the batch ``is_last``, its end is that of the transaction, which does nothing
    after it. Raises ``TransactionManagementError`` outside a transaction.
    """
    connection = connections[using]
    if not connection.in_atomic_block:
        raise TransactionManagementError("A batch ends with its transaction: there is none.")
    if _OPEN in vars(connection):
        yield
        return
    collected = vars(connection)[_OPEN] = _Batch(connection)
    try:
        with connection.execute_wrapper(collected.write_before):
            yield
            if not (is_last and collected.write_as_transaction()):
                collected.write()
    finally:
        del vars(connection)[_OPEN]


def write_collected(using: str = DEFAULT_DB_ALIAS) -> None:
    """Write now what the open batch has collected, if there is one. Raises the error of the first failure."""
    if (collected := vars(connections[using]).get(_OPEN)) is not None:
        collected.write()


def insert_in_batch(
    *rows: Model,
    using: str = "",
    or_raise: Exception | None = None,
    unless_known: bool = False,
    read_back: str = "",
) -> None:
    """Insert rows of one model with the open batch, or at once if there is none.

    The model instances do not get their primary keys. If a row violates a unique constraint, the batch raises
    ``or_raise``, or ``IntegrityError`` without it; with ``unless_known`` it leaves that row out instead. A
    single row gets the value that the database has chosen for the field ``read_back``, such as the time by
    its clock, when the batch is written.
    """
    if not rows:
        return
    model = type(rows[0])
    using = using or router.db_for_write(model, instance=rows[0])
    fields = fields_of_insert(model)
    # A plain value is known already; only that of an expression has to be read back.
    chosen = read_back if hasattr(getattr(rows[0], read_back, None), "as_sql") else ""
    with _batch_or_at_once(using) as collected:
        values = [value for row in rows for value in values_of(row, fields, using, is_new=True)]
        if chosen:
            [row] = rows
            collected.add(_Insert(model, values, 1, or_raise, unless_known, row, chosen))
        else:
            collected.insert(_Insert(model, values, len(rows), or_raise, unless_known))


def update_in_batch(row: Model, *names: str, by: str = "") -> None:
    """Write the named fields of a row, as they are now, with the open batch, or at once if there is none.

    Every field with ``auto_now`` is written, too. The row is found by its primary key, or by another unique
    field if ``by`` names one. If there is no such row, the batch raises ``DatabaseError``.
    """
    model = type(row)
    using = router.db_for_write(model, instance=row)
    key, fields = key_of(model, by), fields_of_update(model, names)
    with _batch_or_at_once(using) as collected:
        *values, found_by = values_of(row, (*fields, key), using, is_new=False)
        changes = dict(zip([str(field.column) for field in fields], values, strict=True))
        collected.update(_Update(model, str(key.column), found_by, changes))


def delete_in_batch(*rows: Model) -> None:
    """Delete rows of one model, if they are still there, with the open batch, or at once if there is none."""
    if not rows:
        return
    model = type(rows[0])
    with _batch_or_at_once(router.db_for_write(model, instance=rows[0])) as collected:
        collected.delete(_Delete(model, [row.pk for row in rows]))


@contextmanager
def _batch_or_at_once(using: str) -> Iterator["_Batch"]:
    connection = connections[using]
    collected = vars(connection).get(_OPEN)
    if collected is not None:
        yield collected
        return
    collected = _Batch(connection)
    yield collected
    collected.write()


@dataclass(slots=True)
class _Insert:
    """Rows of one table. If there is an ``error``, it is raised if one of the rows exists already.

    With ``unless_known``, rows that exist are left out. A single ``row`` gets the value of its field
    ``read_back`` from the database.
    """

    model: type[Model]
    values: list[Any]
    count: int
    error: Exception | None
    unless_known: bool = False
    row: Model | None = None
    read_back: str = ""

    @property
    def sql(self) -> str:
        return insert_sql(self.model, self.count, " ON CONFLICT DO NOTHING" if self.skips else "")

    @property
    def skips(self) -> bool:
        """Return True if the statement skips rows that exist, and does not fail."""
        return self.error is not None or self.unless_known

    def takes(self, other: "_Insert") -> bool:
        """Return True if the rows of both inserts can be inserted by one statement."""
        is_alike = self.error is other.error and self.unless_known == other.unless_known
        return self.model is other.model and is_alike and not self.read_back

    @property
    def result(self) -> str:
        return f'"{key_of(self.model, self.read_back).column}"' if self.read_back else _count_of(self.error)

    def conclude(self, result: Any) -> None:
        if self.read_back:
            setattr(self.row, self.read_back, result)
        else:
            _require(result == self.count, self.error)


@dataclass(slots=True)
class _Update:
    """New values of one row, by column. The row is found by the value ``key`` in the column ``by``."""

    model: type[Model]
    by: str
    key: Any
    changes: dict[str, Any]
    count: int = 1

    @property
    def sql(self) -> str:
        return update_sql(self.model, tuple(self.changes), self.by)

    @property
    def values(self) -> list[Any]:
        return [*self.changes.values(), self.key]

    @property
    def result(self) -> str:
        return COUNT

    def conclude(self, result: Any) -> None:
        _require(result == self.count, not_found(self.model))

    def may_be_of_the_row_of(self, other: "_Update") -> bool:
        """Return False if it is certain that the two updates change different rows."""
        return self.model is other.model and (self.by != other.by or self.key == other.key)


@dataclass(slots=True)
class _Delete:
    """Rows of one table, by their primary keys. Rows that no longer exist are ignored."""

    model: type[Model]
    values: list[Any]

    @property
    def sql(self) -> str:
        return delete_sql(self.model, len(self.values))

    @property
    def result(self) -> str:
        return ""

    def conclude(self, result: Any) -> None:
        """Do nothing: a deletion has no result to check."""


_Write = _Insert | _Update | _Delete
# The result of a write that reports how many rows it has written. Others return a column, or nothing.
COUNT = "count(*)"


def _count_of(error: Exception | None) -> str:
    return COUNT if error is not None else ""


def _require(is_so: bool, error: Exception | None) -> None:
    if not is_so and error is not None:
        raise error


class _Batch:
    """The writes of one transaction that have been collected."""

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self._connection = connection
        self._writes: list[_Write] = []

    def insert(self, write: _Insert) -> None:
        """Add rows to an earlier insert into the same table. Rows keep their order, so their keys ascend."""
        self._write_if_any(_Delete, of=write.model)
        for earlier in self._writes:
            if isinstance(earlier, _Insert) and earlier.takes(write):
                earlier.values += write.values
                earlier.count += write.count
                return
        self.add(write)

    def update(self, write: _Update) -> None:
        """Add an update. A statement can change a row only once, so earlier writes to it are sent first."""
        self._write_if_any(_Insert, _Delete, of=write.model)
        if any(isinstance(each, _Update) and each.may_be_of_the_row_of(write) for each in self._writes):
            self.write()
        self.add(write)

    def delete(self, write: _Delete) -> None:
        """Add a deletion, after sending earlier writes to the same table."""
        self._write_if_any(_Insert, _Update, of=write.model)
        self.add(write)

    def add(self, write: _Write) -> None:
        self._writes.append(write)

    def _write_if_any(self, *kinds: type, of: type[Model]) -> None:
        # The parts of one statement do not see each other's rows, and run in no fixed order.
        if any(isinstance(each, kinds) and each.model is of for each in self._writes):
            self.write()

    def write_before(self, execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        """Send the collected writes before a statement that may depend on them (``execute_wrapper``).

        Writes that are left when a savepoint is rolled back were collected within it, and are dropped.
        """
        if sql.startswith("ROLLBACK TO "):
            self._writes = []
        elif self._writes and not self._is_apart(sql):
            self.write()
        return execute(sql, *rest)

    def _is_apart(self, sql: str) -> bool:
        written = (f'"{write.model._meta.db_table}"' for write in self._writes)
        return sql.startswith(_APART) and not any(table in sql for table in written)

    def write(self) -> None:
        """Send the collected writes. Raises the error of the first write that did not find its rows.

        All writes are sent before the error is raised, so that the transaction can go on.
        """
        writes, self._writes = self._writes, []
        if len(writes) > 1 and self._connection.vendor == "postgresql":
            results = _write_together(self._connection, writes)
        else:
            results = [_write_alone(self._connection, write) for write in writes]
        for write, result in zip(writes, results, strict=True):
            write.conclude(result)

    def write_as_transaction(self) -> bool:
        """Send the collected writes as one statement that is a transaction by itself, if that is possible.

        Return False, with nothing written, if it is not: because the transaction has begun already, because
        some write has to be checked afterwards, or because one of the rows exists already.
        """
        raw, writes = self._connection.connection, self._writes
        is_insert = all(isinstance(write, _Insert) and not write.read_back for write in writes)
        if self._connection.vendor != "postgresql" or not (writes and is_insert and _has_not_begun(raw)):
            return False
        # Without ON CONFLICT, the statement fails as a whole if a row exists.
        plain = [replace(write, error=None) for write in writes if isinstance(write, _Insert)]
        self._writes = []
        raw.autocommit = True
        try:
            _write_together(self._connection, list(plain))
        except IntegrityError:
            self._writes = writes
        finally:
            if not raw.closed:
                raw.autocommit = False
        return not self._writes


def _has_not_begun(raw: Any) -> bool:
    """Return True if nothing was sent to PostgreSQL yet: BEGIN is sent with the first statement."""
    return raw.info.transaction_status.name == "IDLE" and not raw.autocommit


def _write_alone(connection: BaseDatabaseWrapper, write: _Write) -> Any:
    returned = f" RETURNING {write.result}" if write.result not in ("", COUNT) else ""
    cursor = execute(connection, *_with_expressions(connection, write.sql + returned, write.values))
    return cursor.fetchone()[0] if returned else cursor.rowcount


def _write_together(connection: BaseDatabaseWrapper, writes: list[_Write]) -> list[Any]:
    sql = _together(tuple((write.sql, write.result) for write in writes))
    values = [value for write in writes for value in write.values]
    cursor = execute(connection, *_with_expressions(connection, sql, values))
    results = iter(cursor.fetchone())
    return [next(results) if write.result else None for write in writes]


def _with_expressions(connection: BaseDatabaseWrapper, sql: str, values: list[Any]) -> tuple[str, list[Any]]:
    """Replace the placeholders of expressions, such as the database's clock, by their SQL and its values."""
    if not any(hasattr(value, "as_sql") for value in values):
        return sql, values
    compiler = Query(None).get_compiler(connection=connection)
    first, *rest = sql.split("%s")
    parts: list[str] = [first]
    flat: list[Any] = []
    for value, part in zip(values, rest, strict=True):
        place, own = compiler.compile(value) if hasattr(value, "as_sql") else ("%s", [value])
        parts += place, part
        flat += own
    return "".join(parts), flat


@lru_cache(maxsize=1000)
def _together(parts: tuple[tuple[str, str], ...]) -> str:
    """Join several statements into one. Its row has the results of those statements that return one."""
    named, results = [], []
    for number, (sql, result) in enumerate(parts):
        returned = {"": "", COUNT: " RETURNING 1"}.get(result, f" RETURNING {result}")
        named.append(f"w{number} AS ({sql}{returned})")
        if result:
            results.append(f"(SELECT {result} FROM w{number})")  # noqa: S608 (no name comes from outside)
    return f"WITH {', '.join(named)} SELECT {', '.join(results) or '1'}"
