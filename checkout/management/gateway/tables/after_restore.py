"""``manage.py gateway after-restore``: prepares a database that was restored to an earlier moment."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.template.defaultfilters import pluralize
from django.utils import timezone

from checkout.backoffice.display.values import quantity_text
from checkout.management.arguments import moment_of
from checkout.management.gateway.output import Output
from checkout.payments.actions import doubt_requests, send_unhandled_again

HELP = (
    "Prepares databases of which one or all were restored to an earlier moment, while the other processes "
    "are stopped. Requests to providers that were about to be made count as perhaps made: the provider is "
    "asked first. Commands that orders or ledger have forgotten are sent again. It may be repeated until the "
    "others are started: later, it would have staff look at requests of which nothing is in doubt."
)
# Times of commands come from several clocks, and a command may have waited in a queue.
MARGIN = timedelta(hours=1)
FIRST_YEAR = 2000


def add_arguments(parser: CommandParser) -> None:
    """Take the moment."""
    parser.add_argument(
        "--moment",
        required=True,
        help="that to which the database was restored, ISO 8601 with its offset from UTC",
    )


def run(out: Output, options: Mapping[str, Any]) -> int:
    """Return 0; raise CommandError if the moment cannot be read, or has not come yet."""
    moment = _moment(options["moment"])
    out.write(f"Restored to {moment:%Y-%m-%d %H:%M:%S} (UTC).")
    doubted = doubt_requests()
    verbs = ("counts", "is") if doubted == 1 else ("count", "are")
    requests = f"{quantity_text(doubted, 'request')} to providers"
    out.write(f"{requests} {verbs[0]} as perhaps made, and {verbs[1]} asked about.")
    again = send_unhandled_again(moment - MARGIN)
    out.write(
        f"{quantity_text(again, 'command')} to orders and ledger {pluralize(again, 'is,are')} sent again."
    )
    return 0


def _moment(text: str) -> datetime:
    moment = moment_of(text)
    if datetime.fromisoformat(text).tzinfo is None:
        # PostgreSQL's recovery_target_time is in the server's zone then. If that is ahead of UTC, commands of
        # the hours between would not be sent again.
        raise CommandError(
            f"{text} has no offset from UTC. Write it as for recovery_target_time, such as +00:00."
        )
    if moment.year < FIRST_YEAR:
        raise CommandError(f"{text} is before {FIRST_YEAR}.")
    if moment > timezone.now():
        raise CommandError(f"{text} has not come yet.")
    return moment
