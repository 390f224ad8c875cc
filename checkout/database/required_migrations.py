"""The migrations that a release needs. No process starts on a database that lacks some of them.

Otherwise the process would answer every payment with an error, and turn all messages into dead letters within
seconds. This could happen if ``migrate`` is forgotten, or if a process restarts between the installation of a
release and its migrations.
"""

from collections.abc import Iterable, Iterator
from importlib import import_module
from pkgutil import iter_modules

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.db import InterfaceError, OperationalError, connections
from django.db.migrations.loader import MIGRATIONS_MODULE_NAME
from django.db.migrations.recorder import MigrationRecorder

MOST_NAMES = 4


def require_migrated(databases: Iterable[str]) -> None:
    """Check that these databases have all migrations of this release. Raises ImproperlyConfigured.

    Databases may have further migrations, because those of the next release only add to tables. An
    unavailable database is skipped, because the process must start without it.
    """
    needed = set(_of_this_release())
    for database in databases:
        try:
            applied = set(MigrationRecorder(connections[database]).applied_migrations())
        except (OperationalError, InterfaceError):
            continue
        finally:
            connections[database].close()
        if missing := sorted(needed - applied):
            names = ", ".join(f"{app}.{name}" for app, name in missing[:MOST_NAMES])
            more = f" and {len(missing) - MOST_NAMES} more" if len(missing) > MOST_NAMES else ""
            raise ImproperlyConfigured(
                f"The database {database} lacks migrations of this release: {names}{more}. "
                "Run manage.py migrate, then start this process."
            )


def _of_this_release() -> Iterator[tuple[str, str]]:
    """Yield the app and the name of each migration. The many modules of migrations are not loaded."""
    for app in apps.get_app_configs():
        try:
            folder = import_module(f"{app.name}.{MIGRATIONS_MODULE_NAME}").__path__
        except ModuleNotFoundError:
            continue  # an app without migrations
        yield from ((app.label, module.name) for module in iter_modules(folder) if module.name[0] not in "_~")
