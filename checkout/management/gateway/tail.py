"""``manage.py gateway tail``: messages, events and facts as they happen, read without a lock."""

import json
import math
import shutil
import time
from collections.abc import Iterator, Mapping
from typing import Any

import structlog
from django.core.management.base import CommandError, CommandParser
from django.db import DatabaseError, InterfaceError, close_old_connections
from django.utils import timezone

from checkout.management.gateway.output import Output
from checkout.management.gateway.records import Record, Sources
from checkout.payments.models import Payment

HELP = "Shows messages, events, saga steps, provider calls and facts as they happen, until Ctrl-C."
POLL_SECONDS = 0.5

log = structlog.get_logger(__name__)


def add_arguments(parser: CommandParser) -> None:
    """Declare the arguments: the payment, the form of the output, and a time limit."""
    parser.add_argument("--payment", default="", metavar="REF", help="only this one, with all of its history")
    parser.add_argument("--json", action="store_true", help="print one JSON object for each line, uncut")
    parser.add_argument("--seconds", type=seconds, default=None, help="end by itself after so many seconds")


def seconds(text: str) -> float:
    """Return a number of seconds. argparse shows this function's name in errors. Raises ``ValueError``."""
    number = float(text)
    if math.isnan(number):  # with NaN the command would never end
        raise ValueError
    return number


def run(out: Output, options: Mapping[str, Any]) -> int:
    """Write records until the time is over or Ctrl-C is pressed. Return 0."""
    reference = options["payment"]
    try:
        if reference and not Payment.objects.filter(reference=reference).exists():
            raise CommandError(f"There is no payment {reference}.")
        sources = Sources(reference)
    except (DatabaseError, InterfaceError) as error:
        raise CommandError(f"The database cannot be read: {error}") from error
    deadline = None if options["seconds"] is None else time.monotonic() + options["seconds"]
    # A payment's history may be years long.
    day = None if reference else timezone.now().date()
    try:
        for records in _looks(sources, deadline):
            for record in records:
                if options["json"]:
                    out.write(json.dumps(record.as_dict()))
                    continue
                if record.at.date() != day:
                    day = record.at.date()
                    out.write(f"{day}")
                out.write(_line(record))
            out.flush()  # flush, so that a pipe or a file gets each line at once
    except KeyboardInterrupt:
        pass  # the ordinary end
    return 0


def _looks(sources: Sources, deadline: float | None) -> Iterator[list[Record]]:
    """Yield the new records of each read. Log once if a database becomes unavailable or available."""
    away_before: dict[str, str] = {}
    while True:
        records, away = sources.new()
        for name in away.keys() - away_before.keys():
            log.warning("database away, tried again", database=name, reason=away[name])
        for name in away_before.keys() - away.keys():
            log.warning("database back", database=name)
        if away:
            close_old_connections()
        away_before = away
        yield records
        left = POLL_SECONDS if deadline is None else min(POLL_SECONDS, deadline - time.monotonic())
        if left <= 0:
            return
        time.sleep(left)


def _line(record: Record) -> str:
    width = shutil.get_terminal_size().columns
    moment = f"{record.at:%H:%M:%S}.{record.at.microsecond // 1000:03}"
    what = f"{record.what}  {record.detail}".rstrip()
    line = f"{moment} {record.payment[:10]:<10} {record.kind:<6} {what}"
    return line if len(line) <= width else f"{line[: width - 1]}…"
