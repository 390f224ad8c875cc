"""``manage.py migrate`` for an installation with several databases. By default, it migrates all of them."""

from functools import partial
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.core.management.commands import migrate
from django.db import InterfaceError, OperationalError, connections
from django.db.migrations.recorder import MigrationRecorder

from checkout.database.availability import reason_of
from checkout.database.encoding import wrong_encoding
from checkout.database.owners import databases, missing_tables, variable_of
from checkout.database.short_locks import with_short_locks

MISSING = (
    "The database {database} has no {tables}, although it has recorded the migrations of {app} as applied. "
    "This happens if {app} had another database before. Set its variable {variable} as it was then, or, to "
    "begin with empty tables here, run: manage.py migrate --database {database} --fake {app} zero; "
    "manage.py migrate --database {database}"
)
NOT_UTF8 = (
    "The database {database} has the encoding {encoding}, in which most names cannot be written: a payment "
    "with other letters would fail. Nothing has been changed. Make it anew: createdb --encoding=UTF8 "
    "--locale=C.UTF-8 --template=template0 (docs/deployment.md)."
)


class Command(migrate.Command):
    """Migrate all databases. Each gets the tables that the router assigns to it."""

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare Django's arguments. Without ``--database``, all databases are migrated."""
        super().add_arguments(parser)
        parser.set_defaults(database=None)

    def get_check_kwargs(self, options: dict[str, Any]) -> Any:
        """See BaseCommand. Check the databases that are migrated."""
        return super().get_check_kwargs(options) | {"databases": _chosen(options)}

    def handle(self, *args: Any, **options: Any) -> None:
        """Migrate one database after the other, the default one first."""
        chosen = _chosen(options)
        for name in chosen:
            _require_reached(name)
            _require_utf8(name)
        for name in chosen:
            if len(chosen) > 1 and options["verbosity"]:
                self.stdout.write(self.style.MIGRATE_HEADING(f"Database {name}:"))
            migrate_it = partial(super().handle, *args, **options | {"database": name})
            with_short_locks(connections[name], migrate_it, self.stdout.write)
        if not (options["app_label"] or options["plan"] or options["check_unapplied"]):
            for name in chosen:
                _require_tables(name)


def _chosen(options: dict[str, Any]) -> list[str]:
    return [options["database"]] if options["database"] else databases()


def _require_reached(database: str) -> None:
    try:
        connections[database].ensure_connection()
    except (OperationalError, InterfaceError) as error:
        told = reason_of(database, error)
        raise CommandError(f"The database {database} is not reached: {told}. Nothing was changed.") from error


def _require_utf8(database: str) -> None:
    """Refuse an empty database in another encoding. For a database with tables, ``doctor`` reports it."""
    connection = connections[database]
    if (encoding := wrong_encoding(connection)) and not MigrationRecorder(connection).applied_migrations():
        raise CommandError(NOT_UTF8.format(database=database, encoding=encoding))


def _require_tables(database: str) -> None:
    """Refuse a database without one of its tables. Django may have recorded its migration nevertheless."""
    for app, tables in missing_tables(database).items():
        told = {"tables": ", ".join(tables), "app": app, "variable": variable_of(app)}
        raise CommandError(MISSING.format(database=database, **told))
