"""Examine databases: connection, migrations, tables, encoding and clock."""

import os
import re
from collections.abc import Iterator
from datetime import timedelta

from django.db import DEFAULT_DB_ALIAS, DatabaseError, InterfaceError, connections
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from checkout.database.availability import file_of, missing_file, reason_of
from checkout.database.encoding import wrong_encoding
from checkout.database.owners import databases, missing_tables, variable_of
from checkout.management.gateway.output import Finding

AREA = "database"
MOST_SECONDS_APART = 1.0
AWAY = "Start the database server, or set {} to its address."
NOT_LET_IN = (
    "The server runs, and refuses this log-in: correct user, password and database in {}, or let the user in "
    "(pg_hba.conf)."
)
# PostgreSQL's error messages for a refused log-in. They may be translated, except for the names in them.
_REFUSED = re.compile(
    r'authentication failed|pg_hba\.conf|(role|database) "[^"]*" (does not exist|is not)'
    r"|permission denied for database"
)
AS_ELSEWHERE = "Set {variable} as the gateway's processes have it. For a new try-out: {migrate}."


def findings() -> Iterator[Finding]:
    """Yield the findings about each database."""
    for alias in databases():
        try:
            yield from _findings_about(alias)
        except (DatabaseError, InterfaceError) as error:
            reason = reason_of(alias, error)
            remedy = NOT_LET_IN if _REFUSED.search(reason) else AWAY
            yield Finding(AREA, f"{alias}: not reached: {reason}", remedy.format(variable_of(alias)))


def is_usable() -> bool:
    """Return True if the default database is reached and has the tables of payments."""
    if missing_file(DEFAULT_DB_ALIAS):
        return False
    try:
        return not (_missing_migrations(DEFAULT_DB_ALIAS) or "payments" in missing_tables(DEFAULT_DB_ALIAS))
    except (DatabaseError, InterfaceError):
        return False


def _findings_about(alias: str) -> Iterator[Finding]:
    connection = connections[alias]
    remark = ", as DATABASE_URL is not set" if _is_by_default(alias) else ""
    migrate = f"manage.py migrate --database {alias}"
    if file := missing_file(alias):
        advice = AS_ELSEWHERE.format(variable=variable_of(alias), migrate=migrate)
        yield Finding(AREA, f"{alias}: there is no file {file}{remark}", advice)
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    place = f", the file {file}{remark}" if (file := file_of(alias)) else ""
    yield Finding(AREA, f"{alias}: reached, {connection.display_name} {_version(alias)}{place}")
    yield from _tables(alias, _missing_migrations(alias), migrate)
    yield from _encoding(alias)
    yield from _clock(alias)


def _tables(alias: str, migrations: list[str], migrate: str) -> Iterator[Finding]:
    """Yield the findings about migrations and tables. Tables of missing migrations are not reported again."""
    if migrations:
        names = ", ".join(migrations[:4]) + (
            f" and {len(migrations) - 4} more" if len(migrations) > 4 else ""
        )
        advice = f"Run {migrate}."
        if _is_by_default(alias):
            advice = AS_ELSEWHERE.format(variable="DATABASE_URL", migrate=migrate)
        yield Finding(AREA, f"{alias}: not migrated: {names}", advice)
    unmigrated = {name.partition(".")[0] for name in migrations}
    missing = {app: tables for app, tables in missing_tables(alias).items() if app not in unmigrated}
    for app, tables in missing.items():
        variable = variable_of(app if alias == DEFAULT_DB_ALIAS else alias)
        advice = (
            f"Set {variable} as the gateway's processes have it (docs/database-and-broker.md). Migrations of "
            f"{app} are recorded here, and its tables were probably made in another database."
        )
        yield Finding(AREA, f"{alias}: tables of {app} are missing: {', '.join(tables)}", advice)
    if not (migrations or missing):
        yield Finding(AREA, f"{alias}: all migrations are applied")


def _is_by_default(alias: str) -> bool:
    """Return True if the database is the SQLite file that is used if none is configured."""
    is_set = any(os.environ.get(name) for name in ("DATABASE_URL", "DATABASE_URL_FILE"))
    return alias == DEFAULT_DB_ALIAS and file_of(alias) is not None and not is_set


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
        return  # SQLite uses this process's clock
    before = timezone.now()
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        [theirs] = cursor.fetchone()
    after = timezone.now()
    # The database's clock was read at some moment in between, so this is the smallest possible difference.
    apart = max(before - theirs, theirs - after, timedelta(0)).total_seconds()
    if apart <= MOST_SECONDS_APART:
        yield Finding(AREA, f"{alias}: its clock agrees with ours")
        return
    advice = "Let both machines synchronise their clocks (NTP). Deadlines and messages depend on them."
    yield Finding(AREA, f"{alias}: its clock is {apart:.1f} s apart from ours", advice)
