"""Empty the tables that have rows. Content types and permissions stay, as a migration leaves them."""

from functools import cache
from typing import Any

from django.core.management.base import BaseCommand
from django.core.management.color import no_style
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

KEPT = frozenset({"django_content_type", "auth_permission"})


class Command(BaseCommand):
    """Empty the tables that have rows."""

    # Django passes these options to its own command.
    stealth_options = ("reset_sequences", "allow_cascade", "inhibit_post_migrate", "interactive", "database")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Empty the tables of the database that the option `database` names."""
        connection = connections[options["database"]]
        looks, parameters = _looks(options["database"], connection.settings_dict["NAME"])
        with connection.cursor() as cursor:
            cursor.execute(looks, parameters)
            filled = [name for (name,) in cursor.fetchall()]
            if filled and _may_skip_triggers(connection):
                _delete_all(cursor, [connection.ops.quote_name(name) for name in filled])
            elif filled:
                statements = connection.ops.sql_flush(no_style(), filled, allow_cascade=True)
                connection.ops.execute_sql_flush(statements)


def _may_skip_triggers(connection: BaseDatabaseWrapper) -> bool:
    """Return True for a superuser of PostgreSQL, who can skip foreign keys and the ledger's guard."""
    if connection.vendor != "postgresql":
        return False
    with connection.cursor() as cursor:
        cursor.execute("SHOW is_superuser")
        return bool(cursor.fetchone() == ("on",))


def _delete_all(cursor: Any, tables: list[str]) -> None:
    """Delete all rows of these few tables, which is faster than truncating them: that makes new files."""
    deletes = "; ".join(f"DELETE FROM {name}" for name in tables)  # noqa: S608 (our own tables)
    cursor.execute(f"BEGIN; SET LOCAL session_replication_role = replica; {deletes}; COMMIT")


@cache
def _looks(alias: str, _database: str) -> tuple[str, list[str]]:
    """Return a query for the names of the tables with rows, and its parameters."""
    connection = connections[alias]
    every = connection.introspection.django_table_names(only_existing=True, include_views=False)
    names = [name for name in every if name not in KEPT]
    look = "SELECT %s WHERE EXISTS (SELECT 1 FROM {})"
    return " UNION ALL ".join(look.format(connection.ops.quote_name(name)) for name in names), names
