"""The cost of one purchase in each process, the broker and the database, while purchases overlap."""

import argparse
import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass

import psycopg

from benchmarks.process_figures import family_cpu_seconds, figures_of, parent_of
from benchmarks.purchases import CAPTURES, measure, stack
from benchmarks.systems import BenchmarkError
from benchmarks.table import table
from tests.support.stack import Stack
from tests.support.vhosts import broker_pid

# PostgreSQL's processes report their counts only after they have been idle for a second.
COUNTED_SECONDS = 2.0

COUNTS = """
SELECT (SELECT count(*) FROM payments_payment),
  (SELECT count(*) FROM payments_inboxmessage),
  xact_commit + xact_rollback,
  tup_inserted + tup_updated + tup_deleted,
  pg_database_size(current_database())
FROM pg_stat_database WHERE datname = current_database()
"""
# Every execution counts, even BEGIN and COMMIT, but not the server's own checks of foreign keys.
STATEMENTS = """
SELECT sum(calls) FROM pg_stat_statements JOIN pg_database ON pg_database.oid = dbid
WHERE datname = current_database() AND query NOT LIKE 'SELECT % FROM ONLY %'
"""
TABLES = """
SELECT relname, n_tup_ins, n_tup_upd, n_tup_hot_upd, n_tup_del, pg_table_size(relid), pg_indexes_size(relid)
FROM pg_stat_user_tables
"""
COLUMNS = ("inserted", "updated", "of them HOT", "deleted", "bytes of rows", "bytes of indexes")
# A table with fewer changed rows per purchase is left out.
LEAST_ROWS = 0.05


@dataclass(frozen=True)
class Spent:
    """Totals since the start. `seconds` is processor time by process, `bytes` is the database's size.

    `statements` is None if the server does not count them (`pg_stat_statements`). `tables` has for each table
    the number of rows that were inserted, updated, updated without an index change, and deleted, and the
    bytes of rows and indexes.
    """

    purchases: int
    messages: int
    transactions: int
    rows: int
    bytes: int
    statements: int | None
    seconds: dict[str, float]
    tables: dict[str, tuple[int, ...]]


def run(options: argparse.Namespace) -> None:
    """Measure and print tables of means per purchase for each way of capturing. Raises BenchmarkError."""
    for title, is_included in CAPTURES.items():
        print(f"\nFrictionless purchases, {title}\n")
        _run(options, is_included=is_included)


def _run(options: argparse.Namespace, *, is_included: bool) -> None:
    with stack(is_included=is_included) as running:
        asyncio.run(measure(running, options.seconds))
        _count_statements(running)
        before = _spent(running)
        rate = asyncio.run(measure(running, 3 * options.seconds))
        after = _spent(running)
    count = after.purchases - before.purchases
    lines = [
        [f"{name}, ms", f"{1000 * (seconds - before.seconds[name]) / count:.1f}"]
        for name, seconds in after.seconds.items()
    ]
    lines += [
        [
            "statements, BEGIN and COMMIT included",
            "not counted by this server"
            if after.statements is None or before.statements is None
            else f"{(after.statements - before.statements) / count:.0f}",
        ],
        ["messages handled", f"{(after.messages - before.messages) / count:.0f}"],
        ["transactions", f"{(after.transactions - before.transactions) / count:.0f}"],
        ["rows written, changed or deleted", f"{(after.rows - before.rows) / count:.0f}"],
        ["bytes with indexes", f"{(after.bytes - before.bytes) / count:,.0f}"],
    ]
    print(table([f"for each of {count} purchases", f"at {rate.per_second:.1f} a second"], lines))
    print()
    print(table(["table", *COLUMNS], _by_table(before, after, count)), flush=True)


def _by_table(before: Spent, after: Spent, count: int) -> list[list[str]]:
    """Return a line for each table that has changed, beginning with the most changed rows."""
    means = {
        name: [(now - then) / count for now, then in zip(counts, before.tables[name], strict=True)]
        for name, counts in after.tables.items()
    }
    changed = sorted(
        ((inserted + updated + deleted, name) for name, (inserted, updated, _, deleted, *_) in means.items()),
        reverse=True,
    )
    return [
        [name, *(f"{mean:.1f}" for mean in means[name][:4]), *(f"{mean:,.0f}" for mean in means[name][4:])]
        for rows, name in changed
        if rows >= LEAST_ROWS
    ]


def _spent(running: Stack) -> Spent:
    time.sleep(COUNTED_SECONDS)
    seconds = {name: figures_of(program.pid).cpu_seconds for name, program in running.programs.items()}
    with psycopg.connect(running.database_url, autocommit=True) as connection:
        counts = connection.execute(COUNTS).fetchone()
        tables = {name: tuple(numbers) for name, *numbers in connection.execute(TABLES).fetchall()}
        statements = None
        with suppress(psycopg.Error):
            (statements,) = connection.execute(STATEMENTS).fetchone() or (None,)
        try:
            seconds["PostgreSQL"] = family_cpu_seconds(parent_of(connection.info.backend_pid))
            seconds["RabbitMQ"] = figures_of(broker_pid()).cpu_seconds
        except OSError:
            raise BenchmarkError("RabbitMQ and PostgreSQL have to run on this machine") from None
    if counts is None:
        raise BenchmarkError("PostgreSQL keeps no counts of this database")
    purchases, messages, transactions, rows, size = counts
    return Spent(purchases, messages, transactions, rows, size, statements, seconds, tables)


def _count_statements(running: Stack) -> None:
    with suppress(psycopg.Error), psycopg.connect(running.database_url, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
