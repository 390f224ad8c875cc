"""SQLite databases that apps own, in the process of a test."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from django.core.management import call_command
from django.db import connections

# The files of databases that were migrated in this process, by app. A migration takes a second and a half.
_migrated: dict[str, bytes] = {}


@dataclass(frozen=True, slots=True)
class OwnDatabases:
    """A function that adds a migrated database with the name of an app, until the test ends."""

    folder: Path
    names: list[str] = field(default_factory=list)

    @classmethod
    @contextmanager
    def within(cls, folder: Path) -> Iterator[Self]:
        """Yield an object that makes databases in this folder, and remove them from Django afterwards."""
        own = cls(folder)
        try:
            yield own
        finally:
            for name in own.names:
                connections[name].close()
                del connections[name], connections.settings[name]

    def __call__(self, app: str) -> None:
        """Give the app a migrated database of its own, copied from the first one in this process."""
        if copied := _migrated.get(app):
            self._file(app).write_bytes(copied)
        self.empty(app)
        if not copied:
            call_command("migrate", database=app, verbosity=0)
            _migrated[app] = self._file(app).read_bytes()

    def empty(self, app: str) -> None:
        """Give the app a database of its own without tables, in which every query fails."""
        settings = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(self._file(app))}
        connections.settings[app] = connections.configure_settings({"default": {}, app: settings})[app]
        self.names.append(app)
        # Django's test case blocks connections that are made later.
        connections[app].connect()

    def _file(self, app: str) -> Path:
        return self.folder / f"{app}.sqlite3"
