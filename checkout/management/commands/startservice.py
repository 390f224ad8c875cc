"""``manage.py startservice NAME``: writes a service for one installation, with a purchase step and tests."""

import keyword
import re
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from string import Template
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from checkout.participants import participants

TEMPLATE = Path(__file__).resolve().parent.parent / "service_template"
NAME = re.compile(r"[a-z][a-z0-9_]{1,29}")


class Command(BaseCommand):
    """Write the package of a service."""

    requires_system_checks: list[str] = []  # it only writes files
    help = "Writes the package of a service of your own: messages, service, table, step, tests, README."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments: the name, and the folder in which to write the package."""
        parser.add_argument("name", metavar="NAME", help="small letters, such as gifts")
        parser.add_argument(
            "--into", type=Path, default=Path(), metavar="FOLDER", help="the folder (default: this one)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Write the package. Raises CommandError if one of that name exists."""
        name, into = options["name"], options["into"].resolve()
        _require_free(name)
        folder = into / name
        if folder.exists():
            raise CommandError(f"{folder} exists already.")
        words = {"name": name, "into": str(into), "folder": str(folder)}
        try:
            _write(folder, words)
        except OSError as error:
            raise CommandError(f"{folder} cannot be written: {error}") from error
        self.stdout.write(f"Written: {folder}\nWhat is left to do: {folder / 'README.md'}")


def _write(folder: Path, words: Mapping[str, str]) -> None:
    for template in sorted(TEMPLATE.rglob("*.tpl")):
        file = folder / template.relative_to(TEMPLATE).with_suffix("")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(Template(template.read_text()).substitute(words))


def _require_free(name: str) -> None:
    """Raise CommandError if no service can have this name."""
    if not NAME.fullmatch(name) or keyword.iskeyword(name):
        raise CommandError(f"{name!r} is no name for a service: 2 to 30 small letters, digits, underscores.")
    if any(each.name == name for each in participants()) or find_spec(name) is not None:
        raise CommandError(f"The name {name} is taken, by a service or a Python package.")
