"""``manage.py gateway ledger``: the ledger's postings in a period, to check the provider's pay-outs.

Only postings that move money at the provider are shown: captures, refunds, charge-backs, and their returns.
"""

import csv
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from itertools import groupby, islice
from typing import Any, NamedTuple

from django.core.management.base import CommandError, CommandParser
from django.db import connections

from checkout.csv_text import safe_cell
from checkout.database.bounded_connection import without_time_limit
from checkout.database.owners import database_of
from checkout.ledger.books import Movement, movements, unbalanced_postings
from checkout.management.arguments import moment_of
from checkout.management.gateway.output import Output, write_json, write_wrapped
from checkout.money import Money
from checkout.payments.models import Operation
from messaging.outbox.clock import server_time_now

HELP = (
    "Shows what the ledger has posted in a time: sums by merchant, provider account, currency and kind, or "
    "with --csv each posting with its payment. Exits with 1 if a posting does not add up to zero."
)
BATCH = 1_000
# A posting becomes visible when it is committed, a little after its time.
SEEN_LATE = timedelta(minutes=1)
NOT_OVER = "This time is not over: more may be posted."
UNKNOWN = "(unknown)"


@dataclass(frozen=True, slots=True)
class PostingLine:
    """One posting, with its payment and operation.

    ``minor`` is the change of what the provider owes, in minor units.
    """

    posted_at: datetime
    merchant: str
    mode: str
    account: str
    payment: str
    order_reference: str
    order_code: str
    operation: str
    kind: str
    currency: str
    minor: int


class Key(NamedTuple):
    """The fields by which postings are added up, in the order of the list."""

    merchant: str
    mode: str
    account: str
    currency: str
    kind: str


def add_arguments(parser: CommandParser) -> None:
    """Declare the arguments: the period, and the form of the output."""
    parser.add_argument("--since", required=True, help="the first moment, ISO 8601; without a zone, UTC")
    parser.add_argument("--until", help="the first moment after the time (default: now)")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--csv", action="store_true", help="print a line for each posting, oldest first")
    form.add_argument("--json", action="store_true", help="print one JSON object with the sums")


def run(out: Output, options: Mapping[str, Any]) -> int:
    """Write the postings. Return 0, or 1 if one does not balance.

    Raises CommandError for an unreadable time.
    """
    since = moment_of(options["since"])
    now = server_time_now(database_of("ledger"))
    until = now if options["until"] is None else moment_of(options["until"])
    if since >= until:
        named = "it has not come yet" if options["until"] is None else f"it is not before {options['until']}"
        raise CommandError(f"There is no time from {options['since']}: {named}.")
    is_over = until <= now - SEEN_LATE
    with _patient_database():
        lines = _lines(movements(since, until))
        if options["csv"]:
            _write_csv(out, lines)
            if not is_over:
                sys.stderr.write(f"{NOT_OVER}\n")
        else:
            _write_sums(out, lines, since, until, is_over=is_over, as_json=options["json"])
        unbalanced = unbalanced_postings(since, until)
    if unbalanced:
        raise CommandError(f"Postings that do not add up to zero: {', '.join(unbalanced)}.")
    return 0


def _patient_database() -> AbstractContextManager[None]:
    """Remove the time limit on statements of the ledger's database, whose entries have no index on time."""
    connection = connections[database_of("ledger")]
    return without_time_limit(connection) if connection.vendor == "postgresql" else nullcontext()


def _lines(posted: Iterator[Movement]) -> Iterator[PostingLine]:
    while batch := list(islice(posted, BATCH)):
        references = {each.operation for each in batch}
        rows = Operation.objects.filter(reference__in=references)
        rows = rows.select_related("payment__merchant", "attempt__provider_account")
        operations = {each.reference: each for each in rows}
        for each in batch:
            yield _line(each, operations.get(each.operation))


def _line(posted: Movement, operation: Operation | None) -> PostingLine:
    about = (UNKNOWN, UNKNOWN, UNKNOWN, "", "")
    if operation is not None:
        payment, attempt = operation.payment, operation.attempt
        mode = "live" if payment.merchant.is_live else "test"
        account = attempt.provider_account.code
        about = (payment.merchant.code, mode, account, payment.order_reference, attempt.order_code)
    merchant, mode, account, order_reference, order_code = about
    return PostingLine(
        posted_at=posted.posted_at,
        merchant=merchant,
        mode=mode,
        account=account,
        payment=posted.payment,
        order_reference=order_reference,
        order_code=order_code,
        operation=posted.operation,
        kind=posted.kind,
        currency=posted.currency,
        minor=posted.minor,
    )


def _write_csv(out: Output, lines: Iterable[PostingLine]) -> None:
    names = [name for name in PostingLine.__slots__ if name != "minor"]
    writer = csv.writer(_Lines(out), lineterminator="")
    # A spreadsheet with a decimal comma may read 12.50 as a date, so minor units are written as well.
    writer.writerow([*names, "amount", "minor"])
    for line in lines:
        row = asdict(line) | {"posted_at": f"{line.posted_at:%Y-%m-%dT%H:%M:%SZ}"}
        texts = (safe_cell(row[name]) for name in names)
        writer.writerow([*texts, Money(line.minor, line.currency).decimal, line.minor])


@dataclass(frozen=True, slots=True)
class _Lines:
    """A file-like object for the CSV writer. The command's output adds the line ends."""

    out: Output

    def write(self, line: str) -> None:
        self.out.write(line)


def _write_sums(
    out: Output,
    lines: Iterable[PostingLine],
    since: datetime,
    until: datetime,
    *,
    is_over: bool,
    as_json: bool,
) -> None:
    sums: Counter[Key] = Counter()
    counts: Counter[Key] = Counter()
    for line in lines:
        key = Key(line.merchant, line.mode, line.account, line.currency, line.kind)
        sums[key] += line.minor
        counts[key] += 1
    if as_json:
        rows = [{**key._asdict(), "postings": counts[key], "minor": sums[key]} for key in sorted(counts)]
        period = {"since": since.isoformat(), "until": until.isoformat(), "is_over": is_over}
        write_json(out, {**period, "sums": rows})
        return
    out.write(f"Posted from {_text(since)} to {_text(until)} (UTC)")
    if not is_over:
        out.write(NOT_OVER)
    out.write("")
    if not counts:
        out.write("Nothing was posted.")
    for heading, keys in groupby(sorted(counts), lambda key: (key.merchant, key.mode, key.account)):
        write_wrapped(out, "", f"merchant {heading[0]}, mode {heading[1]}, account {heading[2]}")
        for currency, kinds in groupby(keys, lambda key: key.currency):
            of_currency = list(kinds)
            for key in of_currency:
                out.write(_row(key.kind, str(counts[key]), Money(sums[key], currency)))
            together = Money(sum(sums[key] for key in of_currency), currency)
            out.write(_row("together, before the provider's fees", "", together))
            out.write("")


def _row(kind: str, count: str, amount: Money) -> str:
    return f"  {kind:<36} {count:>9} {amount!s:>28}"


def _text(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}"
