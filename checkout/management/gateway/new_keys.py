"""``manage.py gateway new-keys``: replaces the record of the keys that all processes must have."""

from collections.abc import Mapping
from typing import Any

from django.core.management.base import CommandParser

from checkout.keys.agreement import replace_keys
from checkout.management.gateway.output import Output

HELP = (
    "Records the SECRET_KEY and the CHECKOUT_CARD_KEYS of this environment as those of the installation, in "
    "place of others that are not kept. Stop every process before: one that has other keys does not start "
    "any more."
)


def add_arguments(parser: CommandParser) -> None:
    """Take nothing more."""


def run(out: Output, options: Mapping[str, Any]) -> int:
    """Return 0."""
    for setting in replace_keys(["web"]):
        out.write(f"The new {setting} is recorded.")
    return 0
