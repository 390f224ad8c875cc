"""The connections that PostgreSQL accepts, compared with those that the gateway's processes may have."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from django.db import DEFAULT_DB_ALIAS, DatabaseError, InterfaceError, connections

from checkout.database.owners import database_of, databases
from checkout.management.gateway.output import Finding
from checkout.participants import participants

AREA = "database"
# docs/deployment.md recommends two web processes, and one process of each other program.
WEBS = 2
# The services whose tables may be in a database of their own, with the app that owns the tables.
OWN = {"orders": "orders", "risk": "risk", "ledger": "ledger", "notifications": "receipts"}
# Programs that read and write every database.
EVERYWHERE = ("web", "relay")
# Programs that need one more connection to each of their databases, to listen for notifications.
LISTENERS = ("relay", "webhooks")
# From this share of connections in use on, little is left for a person with psql.
NEARLY_ALL = 0.9
# PostgreSQL reserves some connections for superusers and, since release 16, `reserved_connections` for
# others. The role and the database may have limits of their own.
_LIMITS = """
SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
       - coalesce(current_setting('reserved_connections', true), '0')::int,
       (SELECT rolconnlimit FROM pg_roles WHERE rolname = session_user),
       (SELECT datconnlimit FROM pg_database WHERE datname = current_database()),
       (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')
"""


def findings() -> Iterator[Finding]:
    """Yield a finding about each PostgreSQL server. Other findings report servers that are not reached."""
    servers: dict[tuple[str, str], list[str]] = defaultdict(list)
    for alias in databases():
        settings = connections[alias].settings_dict
        if connections[alias].vendor == "postgresql":
            servers[str(settings["HOST"]), str(settings["PORT"])].append(alias)
    for aliases in servers.values():
        try:
            yield _finding(aliases)
        except (DatabaseError, InterfaceError):
            continue


def _finding(aliases: Sequence[str]) -> Finding:
    needed, used = sum(map(_needed, aliases)), 0
    allowed: list[int] = []
    for alias in aliases:
        with connections[alias].cursor() as cursor:
            cursor.execute(_LIMITS)
            server, role, database, used = cursor.fetchone()
        # The limits of the role and the database apply to the connections to this database only.
        others = needed - _needed(alias)
        allowed += [server, *(limit + others for limit in (role, database) if limit >= 0)]
    least, name = min(allowed), ", ".join(aliases)
    text = f"{name}: {least} connections are allowed, {used} are in use, the processes may use {needed}"
    if least < needed:
        advice = (
            "Raise max_connections of PostgreSQL, and the limit of the role or database if there is one, or "
            "lower CHECKOUT_DATABASE_POOL_SIZE. Two processes of web and one of each other program are "
            "counted: more need more."
        )
        return Finding(AREA, text, advice)
    if used >= least * NEARLY_ALL:
        return Finding(
            AREA, text, "Raise max_connections of PostgreSQL: hardly anybody can connect any more."
        )
    return Finding(AREA, text)


def _needed(alias: str) -> int:
    """Return the number of connections that all usual processes together may have to a database."""
    pool = connections[alias].settings_dict["OPTIONS"].get("pool") or {}
    size = int(pool.get("max_size", 1)) if isinstance(pool, dict) else 1
    users = [each.name for each in participants() if _uses(each.name, alias)]
    processes = len(users) + (WEBS - 1 if "web" in users else 0)
    return processes * size + sum(name in users for name in LISTENERS)


def _uses(program: str, alias: str) -> bool:
    if program in EVERYWHERE:
        return True
    own: Any = OWN.get(program)
    return (database_of(own) if own else DEFAULT_DB_ALIAS) == alias
