"""The names under which PostgreSQL shows the connections of the gateway's processes."""

from collections.abc import Collection

from django.db import DatabaseError, InterfaceError, connections

_BEGINNING = "payments-gateway "


def application_name(*programs: str) -> str:
    """Return the name of a process that runs these programs. PostgreSQL cuts it after 63 bytes."""
    return _BEGINNING + " ".join(programs)


def running_programs(databases: Collection[str]) -> set[str]:
    """Return the programs that are connected to these databases, by the names of their connections."""
    found: set[str] = set()
    for alias in databases:
        if connections[alias].vendor != "postgresql":
            continue
        try:
            with connections[alias].cursor() as cursor:
                cursor.execute(
                    "SELECT application_name FROM pg_stat_activity"
                    " WHERE datname = current_database() AND starts_with(application_name, %s)",
                    [_BEGINNING],
                )
                for [name] in cursor.fetchall():
                    found.update(name.removeprefix(_BEGINNING).split())
        except (DatabaseError, InterfaceError):
            continue
    return found
