"""``manage.py gateway listen``: prints events as they happen, and forwards them to a local program."""

import json
import os
from collections.abc import Mapping
from typing import Any

from django.core.management.base import CommandError, CommandParser

from checkout.conf import conf
from checkout.conf.api import TRY_OUT_API_KEY
from checkout.management.gateway.output import Output
from checkout.tryout.listening import Away, Feed, NotAllowed, Receiver
from checkout.webhooks.signing import Keys

HELP = (
    "Prints the events of a merchant as they happen, until Ctrl-C, and sends them on as signed webhooks to a "
    "program on this machine. Needs the gateway's API only: its address, and a key in API_KEY."
)


def add_arguments(parser: CommandParser) -> None:
    """Declare the arguments: the gateway, the receiver and the types of events."""
    parser.add_argument("--forward-to", metavar="URL", default="", help="the address of the local program")
    parser.add_argument("--url", default=conf.public_url, help=f"the gateway (default: {conf.public_url})")
    parser.add_argument("--types", default="", help="types of events, with commas (default: all)")
    parser.add_argument("--json", action="store_true", help="print one JSON object on each line")


def run(out: Output, options: Mapping[str, Any]) -> int:
    """Run until Ctrl-C. Raises CommandError if the gateway refuses the API key."""
    key = os.environ.get("API_KEY", TRY_OUT_API_KEY if conf.is_try_out else "")
    if not key:
        raise CommandError("Set API_KEY to a key with the scope events:read.")
    receiver = None
    if options["forward_to"]:
        keys = Keys.new()
        receiver = Receiver(options["forward_to"], keys)
        if options["json"]:
            out.write(json.dumps({"secret": keys.secret, "public_key": keys.public_key}))
        _say(out, f"Secret      {keys.secret}   (of this run: give it to the program)", options)
        _say(out, f"Public key  {keys.public_key}", options)
    _say(out, f"Listening to {options['url']}, until Ctrl-C.", options)
    types = [each for each in options["types"].split(",") if each]
    try:
        for news in Feed(options["url"].rstrip("/"), key, types):
            if isinstance(news, Away):
                _say(out, f"{news.reason} Trying again in {news.seconds:g} s.", options)
                continue
            answer = receiver.take(news) if receiver else ""
            _write(out, news, answer, as_json=options["json"])
    except NotAllowed as error:
        raise CommandError(str(error)) from error
    return 0


def _write(out: Output, event: Mapping[str, Any], answer: str, *, as_json: bool) -> None:
    if as_json:
        out.write(json.dumps({"event": event, "answer": answer or None}))
    else:
        arrow = f"  → {answer}" if answer else ""
        at = event["created_at"][11:19]
        out.write(f"{at}  {event['type']}  {event['payment']}  {event['order_reference']}{arrow}")
    out.flush()


def _say(out: Output, text: str, options: Mapping[str, Any]) -> None:
    """Write a line for people, unless the output is JSON."""
    if not options["json"]:
        out.write(text)
        out.flush()
