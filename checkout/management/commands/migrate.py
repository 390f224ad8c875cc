"""``manage.py migrate`` for an installation with several databases: without ``--database``, all of them."""

from typing import Any

from django.core.management.base import CommandParser
from django.core.management.commands import migrate

from checkout.database.owners import databases


class Command(migrate.Command):
    """See the module. Each database gets the tables that the router assigns to it."""

    def add_arguments(self, parser: CommandParser) -> None:
        """Take Django's arguments, with another default."""
        super().add_arguments(parser)
        parser.set_defaults(database=None)

    def get_check_kwargs(self, options: dict[str, Any]) -> Any:
        """Check the databases that are migrated."""
        return super().get_check_kwargs(options) | {"databases": _chosen(options)}

    def handle(self, *args: Any, **options: Any) -> None:
        """Migrate one database after the other, the default one first."""
        chosen = _chosen(options)
        for name in chosen:
            if len(chosen) > 1 and options["verbosity"]:
                self.stdout.write(self.style.MIGRATE_HEADING(f"Database {name}:"))
            super().handle(*args, **options | {"database": name})


def _chosen(options: dict[str, Any]) -> list[str]:
    return [options["database"]] if options["database"] else databases()
