"""The payments that a run compares: those of its period, and those that earlier runs left.

The provider answers queries from copies of its books, and carries operations out later than it accepts them
(decision 43). Therefore a sum that recent changes may explain is compared again in a later run. If the
provider's sum lies outside the range between our earlier and our present sum, the difference is reported at
once.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import F, Q, Value
from django.db.models.functions import Greatest

from checkout.conf import conf
from checkout.payments.books.compare_sums import Compared
from checkout.payments.calls import may_yet_show, time_to_show
from checkout.payments.models import (
    Difference,
    Payment,
    PostponedComparison,
    ProviderAccount,
    ProviderCall,
    Saga,
)
from checkout.payments.models.reconciliation import OPEN_DIFFERENCE
from checkout.reconciliation.our_books import OurBooks
from messaging.outbox.clock import server_time_now

# The time that a run covers, and the marks from which the next run continues

# The time of a row is set before the commit, and by processes whose clocks differ.
OVERLAP = timedelta(minutes=5)


def time_to_compare() -> timedelta:
    """Return the age from which a change is complete in both books. No later run examines it again.

    A younger change may not be committed yet, may be on its way to a service, or may not show in the
    provider's queries.
    """
    return max(OVERLAP, conf.service_wait, time_to_show())


def time_to_list() -> timedelta:
    """Return the age from which an order with money must be in the provider's list.

    An order has its submission's time in the list, but is listed only after the shopper has ended all
    challenges.
    """
    challenges = conf.max_challenges * conf.challenge_lifetime
    return max(OVERLAP, conf.service_wait, challenges + conf.settling_time + conf.order_lag)


@dataclass(frozen=True, slots=True)
class Period:
    """The changes that a run examines: those from ``since`` on, or all if ``since`` is None.

    The next run examines changes after ``until`` again. ``leaves_no_gap`` is True if earlier runs have
    examined all changes before ``since``.
    """

    since: datetime | None
    until: datetime
    leaves_no_gap: bool

    def mark(self, reached: datetime) -> datetime | None:
        """Return the time from which the next run continues if this run has come as far as ``reached``.

        The result is None after a run that leaves a gap. The next run then continues from an earlier mark.
        """
        return min(reached, self.until) if self.leaves_no_gap else None


def period_of(asked: datetime | None, mark: datetime | None, until: datetime) -> Period:
    """Return the period from the ``asked`` time on or, without one, from the ``mark`` of earlier runs."""
    leaves_no_gap = asked is None or (mark is not None and asked <= mark)
    return Period(mark if asked is None else asked, until, leaves_no_gap)


# Payments that changed

BATCH = 2_000


def changed_payments(account: ProviderAccount, since: datetime | None) -> Iterator[tuple[datetime, int]]:
    """Yield each payment of the account, as its time of change and its primary key, the oldest change first.

    A change of a saga counts as a change of its payment, because parking a saga does not change the payment's
    row.
    """
    done: set[int] = set()
    size, is_last = BATCH, False
    while not is_last:
        batch = _batch(account, since, size)
        for changed_at, pk in batch:
            if pk not in done:
                done.add(pk)
                yield changed_at, pk
        is_last = len(batch) < size
        if not is_last:
            # The next batch begins with the time of this one's last change. If all changes of this batch had
            # that time, the next must be larger.
            size = 2 * size if batch[-1][0] == since else BATCH
            since = batch[-1][0]


def differing_payments(account: ProviderAccount, *kinds: Difference.Kind) -> set[int]:
    """Return the payments with open differences, of these ``kinds`` or, without any, of all kinds."""
    found = Difference.objects.filter(OPEN_DIFFERENCE, account=account, payment__isnull=False)
    if kinds:
        found = found.filter(kind__in=kinds)
    return set(found.order_by().values_list("payment_id", flat=True).distinct())


def _batch(account: ProviderAccount, since: datetime | None, size: int) -> list[tuple[datetime, int]]:
    """Return the oldest changes from ``since`` on.

    Changes at ``since`` itself are included: several may share it.
    """
    is_due = Q(updated_at__gte=since) if since else Q()
    payments = Payment.objects.filter(is_due, attempts__provider_account=account)
    sagas = Saga.objects.filter(is_due, attempt__provider_account=account)
    changes = [
        *payments.order_by("updated_at").values_list("updated_at", "pk").distinct()[:size],
        *sagas.order_by("updated_at").values_list("updated_at", F("payment_id"))[:size],
    ]
    return sorted(changes)[:size]


# Comparisons that are left for a later run: of changing books, and of sums that may show late

# These differences are reported at once: a currency never changes, and the provider does not know our
# ledger's sum in process.
NEVER_LATE = (Difference.Kind.CURRENCY, Difference.Kind.LEDGER_IN_PROCESS)


def postponed_payments(account: ProviderAccount) -> set[int]:
    """Return the primary keys of payments that earlier runs left."""
    return set(PostponedComparison.objects.filter(account=account).values_list("payment_id", flat=True))


def postpone(account: ProviderAccount, payment_pk: int) -> None:
    """Let the next run compare a payment, even if the payment does not change again."""
    PostponedComparison.objects.get_or_create(
        account=account, payment_id=payment_pk, defaults={"postponed_at": server_time_now()}
    )


def postpone_sums(
    account: ProviderAccount, payment_pk: int, compared: Sequence[Compared], began: datetime
) -> None:
    """Let the next run compare a payment, and store our present sums for ``inconclusive``.

    Stored sums are kept until they are old enough for a comparison. The stored time never moves back, because
    it may be the time at which the provider must show a notified operation.
    """
    postpone(account, payment_pk)
    rows = PostponedComparison.objects.filter(account=account, payment_id=payment_pk)
    if rows.filter(postponed_at__gt=began - time_to_show()).exclude(sums={}).exists():
        return
    sums = {_name(each): each.ours for each in compared}
    rows.update(sums=sums, postponed_at=Greatest("postponed_at", Value(server_time_now())))


def inconclusive(
    account: ProviderAccount, payment_pk: int, ours: OurBooks, compared: Sequence[Compared], began: datetime
) -> list[Compared]:
    """Return the differing sums that may differ only because the provider does not show everything yet.

    ``began`` is the beginning of the run. Sums with an open difference are left out.
    """
    differing = [each for each in compared if not each.agrees and each.kind not in NEVER_LATE]
    if not differing or not _may_show_late(payment_pk, ours, began):
        return []
    known = set(
        Difference.objects.filter(OPEN_DIFFERENCE, account=account, payment_id=payment_pk)
        .order_by()
        .values_list("order_code", "kind")
    )
    before = _sums_before(account, payment_pk, began - time_to_show())
    return [
        each for each in differing if (each.order_code, each.kind) not in known and _may_be_late(each, before)
    ]


def _may_show_late(payment_pk: int, ours: OurBooks, began: datetime) -> bool:
    """Return True if the provider need not show everything yet that we have booked or requested.

    Booked changes must show after the lag, because the provider itself has told of them.
    """
    lag = max(conf.order_lag, conf.modification_lag)
    calls = ProviderCall.objects.filter(attempt__payment_id=payment_pk)
    return ours.changed_at > began - lag or may_yet_show(calls)


def _sums_before(account: ProviderAccount, payment_pk: int, moment: datetime) -> Mapping[str, int]:
    """Return our sums that were stored before ``moment``; empty if there are none."""
    rows = PostponedComparison.objects.filter(
        account=account, payment_id=payment_pk, postponed_at__lte=moment
    )
    found: dict[str, int] | None = rows.values_list("sums", flat=True).first()
    return found or {}


def _may_be_late(sum: Compared, before: Mapping[str, int]) -> bool:
    """Return True if the provider's sum lies between our sum ``before`` and our present one."""
    earlier = before.get(_name(sum))
    if earlier is None:
        return True
    return min(earlier, sum.ours) <= sum.theirs <= max(earlier, sum.ours)


def _name(sum: Compared) -> str:
    return f"{sum.kind} {sum.order_code}"
