"""``manage.py gateway after-restore``: prepares a database that was restored to an earlier time."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.template.defaultfilters import pluralize
from django.utils import timezone

from checkout.backoffice.display.values import quantity_text
from checkout.management.arguments import moment_of
from checkout.management.gateway.output import Output
from checkout.payments.actions import doubt_requests, lock_payments, send_unhandled_again, unlock_payments

HELP = (
    "Prepares databases of which one or all were restored to an earlier moment, while the other processes "
    "are stopped. Requests to providers that were about to be made count as perhaps made: the provider is "
    "asked first. Payments that can be captured, voided or refunded are locked until they have been compared "
    "with the provider's books. Commands that orders or ledger have forgotten are sent again. It may be "
    "repeated until the others are started: later, it would have staff look at requests of which nothing is "
    "in doubt."
)
# Several clocks date commands, and a command may have waited in a queue.
MARGIN = timedelta(hours=1)
FIRST_YEAR = 2000


def add_arguments(parser: CommandParser) -> None:
    """Declare the arguments: the time of the restored data, or that the payments are to be unlocked."""
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument(
        "--moment", help="that to which the database was restored, ISO 8601 with its offset from UTC"
    )
    which.add_argument(
        "--unlock",
        action="store_true",
        help="later, while all processes run: unlock the payments that are locked still, because you have "
        "compared them otherwise",
    )
    parser.add_argument(
        "--payments-kept",
        action="store_true",
        help="the database of the payments was not restored: lock none of them",
    )


def run(out: Output, options: Mapping[str, Any]) -> int:
    """Prepare the database, or unlock payments.

    Raises CommandError if the time is unreadable or in the future.
    """
    if options["unlock"]:
        out.write(f"{quantity_text(unlock_payments(), 'payment')} unlocked.")
        return 0
    moment = _moment(options["moment"])
    out.write(f"Restored to {moment:%Y-%m-%d %H:%M:%S} (UTC).")
    doubted = doubt_requests()
    verbs = ("counts", "is") if doubted == 1 else ("count", "are")
    requests = f"{quantity_text(doubted, 'request')} to providers"
    out.write(f"{requests} {verbs[0]} as perhaps made, and {verbs[1]} asked about.")
    if not options["payments_kept"]:
        locked = quantity_text(lock_payments(), "payment")
        out.write(f"{locked} can be captured, voided or refunded once their books have been compared.")
    again = send_unhandled_again(moment - MARGIN)
    out.write(
        f"{quantity_text(again, 'command')} to orders and ledger {pluralize(again, 'is,are')} sent again."
    )
    return 0


def _moment(text: str) -> datetime:
    moment = moment_of(text)
    if datetime.fromisoformat(text).tzinfo is None:
        # PostgreSQL would take recovery_target_time in the server's zone. If UTC is assumed here, and the
        # zone is ahead of it, the commands of some hours would not be sent again.
        raise CommandError(
            f"{text} has no offset from UTC. Write it as for recovery_target_time, such as +00:00."
        )
    if moment.year < FIRST_YEAR:
        raise CommandError(f"{text} is before {FIRST_YEAR}.")
    if moment > timezone.now():
        raise CommandError(f"{text} has not come yet.")
    return moment
