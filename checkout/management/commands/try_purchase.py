"""``manage.py try_purchase``: makes a purchase through the pages of a running gateway, as a browser would."""

import json
import shutil
import sys
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from checkout.conf import conf
from checkout.payments.models import Payment
from checkout.payments.timeline import Entry, timeline_of
from checkout.tryout.browser import NotReachable
from checkout.tryout.purchase import Purchase, play
from checkout.tryout.report import lines_of, table
from checkout.tryout.running import running_at
from checkout.tryout.scenarios import SCENARIOS

NOT_AS_EXPECTED = 1
NOT_POSSIBLE = 2


class Command(BaseCommand):
    """Make a purchase as a scripted shopper, and print every hop."""

    help = (
        "Buys something as a browser would, and prints every hop. Exits with 0 only if it ends as expected."
    )
    requires_system_checks: list[str] = []  # the gateway to be tried may have other settings

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments, all of which have a default."""
        parser.add_argument("--scenario", default="challenge", help="what to play (default: challenge)")
        parser.add_argument("--list", action="store_true", help="list the scenarios and do nothing else")
        parser.add_argument(
            "--url",
            default="",
            help=f"the gateway (default: the try-out that runs here, or {conf.public_url})",
        )
        parser.add_argument("--payment", default="", help="pay this payment instead of buying in the shop")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Exit with 0 for the expected result, 1 for another, or 2 if the purchase cannot be made."""
        if options["list"]:
            for known in SCENARIOS.values():
                self.stdout.write(f"{known.name:<20} {known.expected:<19} {known.summary}")
            return
        scenario = SCENARIOS.get(options["scenario"])
        if scenario is None:
            raise CommandError(
                f"There is no scenario {options['scenario']!r}. Known: {', '.join(SCENARIOS)}.",
                returncode=NOT_POSSIBLE,
            )
        try:
            url = options["url"] or running_at(conf.base_dir) or conf.public_url
            purchase = play(scenario, url.rstrip("/"), options["payment"])
        except NotReachable as error:
            raise CommandError(f"The gateway does not answer: {error}", returncode=NOT_POSSIBLE) from error
        entries = _entries_of(purchase)
        if options["json"]:
            self.stdout.write(_as_json(purchase, entries))
        else:
            self._print(purchase, entries)
        if not purchase.is_as_expected:
            raise SystemExit(NOT_AS_EXPECTED)

    def _print(self, purchase: Purchase, entries: list[Entry] | None) -> None:
        scenario = purchase.scenario
        self.stdout.write(f"{scenario.name}: {scenario.summary}\nPayment {purchase.payment or '(none)'}\n\n")
        width = shutil.get_terminal_size().columns if self.stdout.isatty() else sys.maxsize
        for line in table(lines_of(purchase.hops, entries or [])):
            self.stdout.write(line if len(line) <= width else f"{line[: width - 1]}…")
        if entries is None:
            self.stdout.write(
                "\nThe gateway's own hops are in its database, which DATABASE_URL does not name."
            )
        verdict = "as expected" if purchase.is_as_expected else f"expected: {scenario.expected}"
        self.stdout.write(
            f"\nEnd: {purchase.end or 'unknown'} ({verdict}). "
            f"The shopper was done after {purchase.duration.total_seconds():.2f} s."
        )
        if purchase.problem:
            self.stdout.write(self.style.ERROR(purchase.problem))


def _entries_of(purchase: Purchase) -> list[Entry] | None:
    """Return the payment's timeline; None if this process's database does not have the payment."""
    try:
        payment = Payment.objects.filter(reference=purchase.payment).first()
        return timeline_of(payment) if payment else None
    except DatabaseError:
        return None


def _as_json(purchase: Purchase, entries: list[Entry] | None) -> str:
    return json.dumps(
        {
            "scenario": purchase.scenario.name,
            "expected": purchase.scenario.expected,
            "end": purchase.end,
            "ok": purchase.is_as_expected,
            "payment": purchase.payment,
            "duration_ms": round(purchase.duration / timedelta(milliseconds=1), 1),
            "problem": purchase.problem,
            "sees_gateway": entries is not None,
            "hops": [asdict(line) for line in lines_of(purchase.hops, entries or [])],
        },
        ensure_ascii=False,
    )
