"""Facts that only RabbitMQ's own administration knows: ``rabbitmqctl``, run on the broker's machine."""

import json
import shlex
import subprocess
from typing import Any

from django.core.management.base import CommandParser

from checkout.conf import conf
from messaging.broker import vhost_of
from messaging.topology import Binding

SECONDS = 30


class NotPossible(Exception):
    """The program did not answer; the text is the reason."""


def add_argument(parser: CommandParser) -> None:
    """Take the program that administers the broker."""
    parser.add_argument(
        "--control",
        default="",
        metavar="PROGRAM",
        help="rabbitmqctl, or a command that runs it, such as 'sudo rabbitmqctl': shows more",
    )


def bindings_of(control: str) -> frozenset[tuple[str, Binding]]:
    """Return all bindings as pairs of a queue's name and a binding. Raises ``NotPossible``."""
    rows = _table(control, "list_bindings", "source_name", "routing_key", "destination_name")
    return frozenset(
        (row["destination_name"], Binding(row["source_name"], row["routing_key"]))
        for row in rows
        if row["source_name"]
    )


def permissions_of(control: str) -> dict[str, tuple[str, str, str]]:
    """Return what each user may configure, write and read. Raises ``NotPossible``."""
    rows = _table(control, "list_permissions")
    return {row["user"]: (row["configure"], row["write"], row["read"]) for row in rows}


def _table(control: str, command: str, *columns: str) -> list[dict[str, Any]]:
    vhost = vhost_of(conf.broker_url)
    try:
        whole = [*shlex.split(control), command, "-p", vhost, *columns, "--formatter", "json", "--quiet"]
        done = subprocess.run(  # noqa: S603  the operator's own command
            whole, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS, check=True
        )
        rows: list[dict[str, Any]] = json.loads(done.stdout or "[]")
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        told = str(getattr(error, "stderr", "") or error).strip()
        raise NotPossible(f"{control} {command} did not answer: {told[:300]}") from error
    return rows
