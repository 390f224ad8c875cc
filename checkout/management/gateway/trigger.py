"""``manage.py gateway trigger``: causes real events in a try-out."""

import json
from collections.abc import Mapping
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import DatabaseError

from checkout.conf import conf
from checkout.management.gateway.output import Output, write_table
from checkout.tryout.events import EVENTS, STORIES, NotHappened, happened

HELP = "Makes events happen in a try-out: a scripted shopper pays at the sandbox. Without any, lists them."


def add_arguments(parser: CommandParser) -> None:
    """Declare the arguments: the events, and the address of the gateway."""
    parser.add_argument("events", nargs="*", default=[], metavar="EVENT", help="see the list")
    parser.add_argument("--url", default=conf.public_url, help=f"the gateway (default: {conf.public_url})")
    parser.add_argument("--json", action="store_true", help="print one JSON object for each payment")


def run(out: Output, options: Mapping[str, Any]) -> int:
    """Cause the events, and return 0. Raises CommandError if an event cannot be caused.

    Events that belong to one story are caused on the same payment.
    """
    wanted = list(dict.fromkeys(options["events"]))
    if not wanted:
        write_table(out, ("EVENT", "MAKES"), [(name, story.summary) for name, story in EVENTS.items()])
        return 0
    if unknown := [name for name in wanted if name not in EVENTS]:
        raise CommandError(f"There is no event {unknown[0]!r}. Known: {', '.join(EVENTS)}.")
    if not conf.is_try_out:
        raise CommandError("This is no try-out: events happen here only when somebody really pays.")
    for story in STORIES:
        types = [name for name in wanted if EVENTS[name] is story]
        if not types:
            continue
        try:
            payment, state = happened(story, types, options["url"].rstrip("/"))
        except NotHappened as error:
            raise CommandError(str(error)) from error
        except DatabaseError as error:
            raise CommandError(f"The gateway's database cannot be used: {error}") from error
        if options["json"]:
            out.write(json.dumps({"events": types, "payment": payment, "state": state}))
        else:
            out.write(f"{', '.join(types)}: payment {payment} is {state}.")
        out.flush()
    return 0
