"""Databases: reached, migrated, in UTF-8, and with a clock like ours."""

from collections.abc import Iterator
from datetime import timedelta

from django.db import DEFAULT_DB_ALIAS, DatabaseError, InterfaceError, connections
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from checkout.database.encoding import wrong_encoding
from checkout.database.owners import databases
from checkout.management.gateway.output import Finding

AREA = "database"
MOST_SECONDS_APART = 1.0


def findings() -> Iterator[Finding]:
    """Yield the findings about each database."""
    for alias in databases():
        try:
            yield from _findings_about(alias)
        except (DatabaseError, InterfaceError) as error:
            told = " ".join(str(error).split())[:200]
            advice = f"Start the database server, or set {_variable(alias)} to its address."
            yield Finding(AREA, f"{alias}: not reached: {told}", advice)


def is_usable() -> bool:
    """Return True if the default database is reached and has its tables."""
    try:
        return not _missing_migrations(DEFAULT_DB_ALIAS)
    except (DatabaseError, InterfaceError):
        return False


def _findings_about(alias: str) -> Iterator[Finding]:
    connection = connections[alias]
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    yield Finding(AREA, f"{alias}: reached, {connection.display_name} {_version(alias)}")
    missing = _missing_migrations(alias)
    if missing:
        names = ", ".join(missing[:4]) + (f" and {len(missing) - 4} more" if len(missing) > 4 else "")
        yield Finding(AREA, f"{alias}: not migrated: {names}", f"Run manage.py migrate --database {alias}.")
    else:
        yield Finding(AREA, f"{alias}: all migrations are applied")
    yield from _encoding(alias)
    yield from _clock(alias)


def _missing_migrations(alias: str) -> list[str]:
    executor = MigrationExecutor(connections[alias])
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return [f"{migration.app_label}.{migration.name}" for migration, _ in plan]


def _version(alias: str) -> str:
    return ".".join(str(part) for part in connections[alias].get_database_version())


def _encoding(alias: str) -> Iterator[Finding]:
    if encoding := wrong_encoding(connections[alias]):
        advice = (
            "Dump it (pg_dump), make it anew (createdb --encoding=UTF8 --locale=C.UTF-8 "
            "--template=template0), and restore it there. Until then, payments with other letters fail."
        )
        yield Finding(AREA, f"{alias}: its encoding is {encoding}, not UTF8", advice)


def _clock(alias: str) -> Iterator[Finding]:
    if connections[alias].vendor != "postgresql":
        return  # SQLite has no clock but ours
    before = timezone.now()
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        [theirs] = cursor.fetchone()
    after = timezone.now()
    # The clock was read at some moment in between, so that this is the least difference.
    apart = max(before - theirs, theirs - after, timedelta(0)).total_seconds()
    if apart <= MOST_SECONDS_APART:
        yield Finding(AREA, f"{alias}: its clock agrees with ours")
        return
    advice = "Let both machines synchronise their clocks (NTP). Deadlines and messages depend on them."
    yield Finding(AREA, f"{alias}: its clock is {apart:.1f} s apart from ours", advice)


def _variable(alias: str) -> str:
    return "DATABASE_URL" if alias == DEFAULT_DB_ALIAS else f"{alias.upper()}_DATABASE_URL"
