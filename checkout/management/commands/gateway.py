"""``manage.py gateway``: commands for operators and integrators (``docs/command-line.md``)."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, InterfaceError

from checkout.database.availability import missing_file
from checkout.database.owners import databases, variable_of
from checkout.management.arguments import require_utf8
from checkout.management.gateway import (
    advance,
    audit_verify,
    dead_letters,
    erase,
    flows,
    listen,
    new_keys,
    replay,
    tail,
    topology,
    trigger,
)
from checkout.management.gateway.doctor import command as doctor
from checkout.management.gateway.tables import after_restore, ledger

MODULES = {
    "doctor": doctor,
    "tail": tail,
    "topology": topology,
    "trigger": trigger,
    "listen": listen,
    "advance": advance,
    "replay": replay,
    "dead-letters": dead_letters,
    "flows": flows,
    "erase": erase,
    "ledger": ledger,
    "after-restore": after_restore,
    "new-keys": new_keys,
    "audit-verify": audit_verify,
}
# `doctor` reports a missing database itself, `topology` uses the broker only, `listen` and `advance` the API.
WITHOUT_DATABASE = ("doctor", "topology", "listen", "advance")


class Command(BaseCommand):
    """Examine and repair an installation, by the sub-commands in ``management.gateway``."""

    requires_system_checks: list[str] = []  # `doctor` reports them; the other commands work in spite of them
    help = f"Looks after a gateway: {', '.join(MODULES)}."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare each sub-command with its arguments."""
        commands = parser.add_subparsers(dest="sub_command", required=True, metavar="COMMAND")
        for name, module in MODULES.items():
            module.add_arguments(commands.add_parser(name, help=module.HELP, description=module.HELP))

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the sub-command, and exit with its code, or with 130 after Ctrl-C.

        Raises CommandError if a database is unavailable, or lacks the tables of this release.
        """
        require_utf8(options)
        if not options.get("reason", "given").strip():
            raise CommandError("Say why: the reason is empty.")
        if options["sub_command"] not in WITHOUT_DATABASE:
            _require_files()
        try:
            code = MODULES[options["sub_command"]].run(self.stdout, options)
        except KeyboardInterrupt:
            raise SystemExit(130) from None
        except (DatabaseError, InterfaceError) as error:
            told = " ".join(str(error).split())
            raise CommandError(
                f"The database cannot be used: {told}. See manage.py gateway doctor."
            ) from error
        if code:
            raise SystemExit(code)


def _require_files() -> None:
    """Refuse an SQLite database that does not exist, because connecting would create an empty one."""
    for database in databases():
        if file := missing_file(database):
            raise CommandError(
                f"There is no file {file}. Set {variable_of(database)} as the gateway's processes have it."
            )
