"""``manage.py gateway trigger``: makes an event really happen in a try-out."""

from collections.abc import Mapping
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import DatabaseError

from checkout.conf import conf
from checkout.management.gateway.output import Output, write_json, write_table
from checkout.tryout.events import ALIASES, EVENTS, NotHappened, happened

HELP = "Makes an event happen in a try-out: a scripted shopper pays at the sandbox. Without one, lists them."


def add_arguments(parser: CommandParser) -> None:
    """Take the event, and the address of the gateway."""
    parser.add_argument("event", nargs="?", default="", metavar="EVENT", help="see the list")
    parser.add_argument("--url", default=conf.public_url, help=f"the gateway (default: {conf.public_url})")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(out: Output, options: Mapping[str, Any]) -> int:
    """Return 0 when the event has happened; raise CommandError if it cannot."""
    if not options["event"]:
        write_table(out, ("EVENT", "MAKES"), [(event.name, event.summary) for event in EVENTS.values()])
        out.write("")
        write_table(out, ("ALSO CALLED", "THE SAME AS"), list(ALIASES.items()))
        return 0
    name = ALIASES.get(options["event"], options["event"])
    event = EVENTS.get(name)
    if event is None:
        raise CommandError(f"There is no event {name!r}. Known: {', '.join([*EVENTS, *ALIASES])}.")
    if not conf.is_try_out:
        raise CommandError("This is no try-out: events happen here only when somebody really pays.")
    try:
        payment, state = happened(event, options["url"].rstrip("/"))
    except NotHappened as error:
        raise CommandError(str(error)) from error
    except DatabaseError as error:
        raise CommandError(f"The gateway's database cannot be used: {error}") from error
    if options["json"]:
        write_json(out, {"event": options["event"], "payment": payment, "state": state})
    else:
        out.write(f"{options['event']}: payment {payment} is {state}.")
    return 0
