"""The command's arguments, and the order of its checks."""

from collections.abc import Mapping
from typing import Any

from django.core.management.base import CommandParser

from checkout.management.gateway import control
from checkout.management.gateway.doctor import (
    books,
    broker,
    capacity,
    databases,
    providers,
    settings,
    staff,
    work,
)
from checkout.management.gateway.output import Output, write_findings

HELP = (
    "Looks at settings, databases, broker, provider accounts, outbox, timers, the comparison of books, "
    "and what waits for staff. Each line is ok, or tells what to do. Exits with 1 if anything is "
    "wrong. Nothing is changed."
)


def add_arguments(parser: CommandParser) -> None:
    """Declare the arguments: the form of the output, and permission to query providers."""
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--call",
        action="store_true",
        help="ask each provider about an order that does not exist, to try address and credentials",
    )
    control.add_argument(parser)


def run(out: Output, options: Mapping[str, Any]) -> int:
    """Run all checks, and write the findings. Return 0 if none needs an action, otherwise 1."""
    findings = [*settings.findings(), *databases.findings(), *capacity.findings()]
    findings += broker.findings(options["control"])
    if databases.is_usable():
        findings += settings.keys()
        findings += [*providers.findings(calls=options["call"]), *work.findings(), *books.findings()]
        findings += staff.findings()
    return write_findings(out, findings, as_json=options["json"])
