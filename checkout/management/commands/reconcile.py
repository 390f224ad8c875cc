"""``manage.py reconcile``: compares our books with the providers', and prints every difference."""

import json
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, InterfaceError
from django.db.models import Q, QuerySet
from django.utils import timezone

from checkout.backoffice.display.values import quantity_text
from checkout.management.arguments import moment_of, require_utf8
from checkout.payments.models import Difference, ProviderAccount, Reconciliation
from checkout.payments.models.reconciliation import OPEN_DIFFERENCE
from checkout.reconciliation import reconcile_account

DIFFERENT = 1
NOT_POSSIBLE = 2
FIRST_YEAR = 2000

Found = list[Difference]


class Command(BaseCommand):
    """Compare our books with those of the providers."""

    # A wrong setting would look like a difference to programs that read the exit code. `check` and `doctor`
    # report it.
    requires_system_checks: list[str] = []
    help = (
        "Compares our sums with the providers', to the minor unit. Exits with 0 if there is no difference,"
        " 1 if there is one, 2 if a provider could not be asked or our books not be read."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments.

        By default, compare recent changes and earlier differences of all accounts.
        """
        parser.add_argument("--account", help="the code of one provider account (default: all)")
        parser.add_argument(
            "--since", help="compare what changed since then, ISO 8601 (without a zone, UTC), once more"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Compare the books. Exit with 0 if there is no difference."""
        require_utf8(options, NOT_POSSIBLE)
        since = None if options["since"] is None else _moment(options["since"])
        try:
            runs = [_run(account, since) for account in _accounts(options["account"])]
        except (DatabaseError, InterfaceError) as error:
            raise CommandError(f"Our books cannot be read: {error}", returncode=NOT_POSSIBLE) from error
        if options["json"]:
            self.stdout.write(json.dumps({"accounts": [_as_json(*run) for run in runs]}, indent=2))
        else:
            for run in runs:
                self._print(*run)
            if not runs:
                self.stdout.write("There is no provider account: nothing was compared.")
        if any(seen for _, _, seen in runs):
            raise SystemExit(DIFFERENT)
        if any(run.unanswered for _, run, _ in runs):
            raise SystemExit(NOT_POSSIBLE)

    def _print(self, account: ProviderAccount, run: Reconciliation, seen: list[Difference]) -> None:
        for difference in seen:
            payment = difference.payment.reference if difference.payment else "(no payment of ours)"
            self.stdout.write(
                f"{account.code}  {difference.order_code}  {difference.kind}: ours {difference.ours},"
                f" theirs {difference.theirs}  {payment}, since {difference.found_at:%Y-%m-%d %H:%M:%S} UTC"
            )
        self.stdout.write(
            f"{account.code}: {quantity_text(run.compared, 'payment')} compared, "
            f"{quantity_text(len(seen), 'difference')}; {run.in_progress} in progress, "
            f"{quantity_text(run.untold, 'order')} not told by the provider, "
            f"{quantity_text(run.unanswered, 'question')} unanswered."
        )


def _run(account: ProviderAccount, since: datetime | None) -> tuple[ProviderAccount, Reconciliation, Found]:
    """Compare an account. Return all its open differences, even of orders that this run could not compare."""
    run, _ = reconcile_account(account, since)
    is_unanswered = Q(kind=Difference.Kind.UNANSWERED)
    found = Difference.objects.filter(OPEN_DIFFERENCE, ~is_unanswered, account=account)
    return account, run, list(found.select_related("payment").order_by("found_at", "pk"))


def _accounts(code: str | None) -> QuerySet[ProviderAccount]:
    accounts = ProviderAccount.objects.order_by("code")
    if code is None:
        return accounts
    accounts = accounts.filter(code=code)
    if not accounts:
        raise CommandError(f"There is no account {code!r}.", returncode=NOT_POSSIBLE)
    return accounts


def _moment(text: str) -> datetime:
    moment = moment_of(text, NOT_POSSIBLE)
    if moment.year < FIRST_YEAR:
        # The provider would have to list the orders of every day since then.
        raise CommandError(f"{text!r} is before {FIRST_YEAR}.", returncode=NOT_POSSIBLE)
    if moment > timezone.now():
        raise CommandError(f"{text!r} is in the future: nothing would be compared.", returncode=NOT_POSSIBLE)
    return moment


def _as_json(account: ProviderAccount, run: Reconciliation, seen: list[Difference]) -> dict[str, Any]:
    return {
        "account": account.code,
        "compared": run.compared,
        "in_progress": run.in_progress,
        "untold": run.untold,
        "unanswered": run.unanswered,
        "differences": [
            {
                "order_code": difference.order_code,
                "payment": difference.payment.reference if difference.payment else None,
                "kind": difference.kind,
                "currency": difference.currency,
                "ours_minor": difference.ours_minor,
                "theirs_minor": difference.theirs_minor,
                "found_at": difference.found_at.isoformat(),
            }
            for difference in seen
        ],
    }
