"""``manage.py gateway advance``: moves the clock of a payment forward, in the gateway and in the sandbox."""

import os
from collections.abc import Mapping
from typing import Any

from django.core.management.base import CommandError, CommandParser

from checkout.conf import conf
from checkout.conf.api import TRY_OUT_API_KEY
from checkout.management.gateway.output import Output
from checkout.tryout.browser import NotReachable
from checkout.tryout.clock import NotMoved, advance
from checkout.tryout.knobs import KnobsRefused

HELP = (
    "Moves the time of a payment of a try-out forward: its expiry, its capture window, the retries of its "
    "webhooks, and the sandbox's bookings. Needs no database, but the addresses of both, and a key in "
    "API_KEY (default: that of the try-out)."
)


def add_arguments(parser: CommandParser) -> None:
    """Declare the arguments: the payment, the seconds and the addresses."""
    parser.add_argument("payment", metavar="PAYMENT", help="its id, pay_…")
    parser.add_argument("seconds", metavar="SECONDS", type=int, help="for example 86400 for a day")
    parser.add_argument("--url", default=conf.public_url, help=f"the gateway (default: {conf.public_url})")
    parser.add_argument("--sandbox-url", default=conf.sandbox_url, help=f"default: {conf.sandbox_url}")


def run(out: Output, options: Mapping[str, Any]) -> int:
    """Move the clock, and return 0.

    Raises CommandError if that is impossible, for example outside a try-out.
    """
    key = os.environ.get("API_KEY", TRY_OUT_API_KEY)
    url, sandbox_url = options["url"].rstrip("/"), options["sandbox_url"].rstrip("/")
    payment, seconds = options["payment"], options["seconds"]
    try:
        state = advance(url, sandbox_url, key, payment, seconds)
    except (NotMoved, NotReachable, KnobsRefused) as error:
        raise CommandError(str(error)) from error
    out.write(f"{payment} is {state}, {seconds} seconds later.")
    return 0
