"""``manage.py broker_users``: prints the broker's users and their rights, for RabbitMQ to import."""

import json
import os
import re
import secrets
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser

from checkout.conf import conf
from checkout.own.packages import own_services, own_steps
from checkout.participants import participants
from messaging.access.definitions import definitions, exchange_definitions
from messaging.access.participants import Participant, Participants
from messaging.broker import vhost_of
from messaging.topology import Topology

# A merchant's code is checked by its form only, because there may be no database yet.
SLUG = re.compile(r"[A-Za-z0-9_-]+\Z")


class Command(BaseCommand):
    """Print the definitions of the broker's users."""

    requires_system_checks: list[str] = []  # it needs neither broker nor database
    help = (
        "Prints RabbitMQ definitions with one user per program, for `rabbitmqctl import_definitions`. "
        "docs/trust.md says what each user may do."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments: the file of passwords, the virtual host, and programs that only listen."""
        parser.add_argument(
            "--passwords",
            type=Path,
            metavar="FILE",
            help="JSON: user → password; made, or completed with random passwords. Without it the users must "
            "exist, and keep the passwords that they have",
        )
        parser.add_argument("--vhost", help="the virtual host (default: that of BROKER_URL)")
        parser.add_argument(
            "--exchanges",
            action="store_true",
            help="print the virtual host and its exchanges alone, which RabbitMQ 4.0 with Khepri must have "
            "before the rights to them",
        )
        parser.add_argument(
            "--listener",
            action="append",
            default=[],
            metavar="NAME[=MERCHANT,…]",
            help="another program, which may only read events: of these merchants, or of all; repeatable",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the definitions."""
        _must_know_own_apps()
        topology = Topology(conf.prefix, conf.quorum_group_size)
        table = _with_listeners(options["listener"])
        vhost = options["vhost"] or vhost_of(conf.broker_url)
        if options["exchanges"]:
            self.stdout.write(json.dumps(exchange_definitions(topology, vhost), indent=2))
            return
        passwords: dict[str, str] = {}
        if options["passwords"] is not None:
            users = [topology.user(each.name) for each in table]
            try:
                passwords = _completed(options["passwords"], users)
            except (OSError, ValueError) as error:
                raise CommandError(f"{options['passwords']} cannot be used: {error}") from error
        self.stdout.write(json.dumps(definitions(table, topology, vhost, passwords), indent=2))


def _must_know_own_apps() -> None:
    """Raise CommandError if the apps of this installation cannot be loaded: their rights would be missing."""
    try:
        own_steps()
        own_services()
    except ImproperlyConfigured as error:
        raise CommandError(str(error)) from None


def _with_listeners(listeners: Iterable[str]) -> Participants:
    every = list(participants())
    for listener in listeners:
        name, equals, codes = listener.partition("=")
        if not name.isidentifier() or any(each.name == name for each in every):
            raise CommandError(f"{name!r} is no name for another program: it is taken, or no identifier.")
        merchants = frozenset(codes.split(",")) if equals else frozenset()
        if wrong := [code for code in sorted(merchants) if not SLUG.match(code)]:
            raise CommandError(f"{wrong[0]!r} is no merchant's code.")
        every.append(Participant(name, serves=False, listens=True, audiences=merchants, is_foreign=True))
    return Participants(every)


def _completed(file: Path, users: Iterable[str]) -> dict[str, str]:
    """Return the passwords in a file that only its owner may read, after adding those of new users."""
    known: Any = json.loads(file.read_text()) if file.exists() else {}
    if not isinstance(known, dict) or not all(isinstance(password, str) for password in known.values()):
        raise ValueError("it is no JSON object of users and passwords.")
    missing = [user for user in users if not known.get(user)]
    if missing:
        known |= {user: secrets.token_urlsafe(24) for user in missing}
        # The file is replaced as a whole, so that a crash or a full disk does not destroy existing passwords.
        descriptor, beside = tempfile.mkstemp(dir=file.resolve().parent, prefix=f"{file.name}.")
        try:
            with os.fdopen(descriptor, "w") as output:
                json.dump(known, output, indent=2)
            os.replace(beside, file.resolve())
        except BaseException:
            Path(beside).unlink()
            raise
    return dict(known)
