"""Comparisons that are left for a later run: of books that move, and of sums that the provider shows late.

The provider answers queries from copies of its books, and carries modifications out later than it accepts
them (decision 43). Until everything must show, a disagreement may only mean that. It is
reported at once if the provider's sum lies outside of ours then and now.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from django.db.models import Value
from django.db.models.functions import Greatest

from checkout.conf import conf
from checkout.payments.calls import may_yet_show, time_to_show
from checkout.payments.models import Difference, PostponedComparison, ProviderAccount, ProviderCall
from checkout.payments.models.reconciliation import OPEN_DIFFERENCE
from checkout.reconciliation.comparison import Compared
from checkout.reconciliation.our_books import OurBooks
from messaging.outbox.clock import server_time_now

# An order keeps its currency, and the provider does not know the sum that our ledger has in process.
NEVER_LATE = (Difference.Kind.CURRENCY, Difference.Kind.LEDGER_IN_PROCESS)


def postponed_payments(account: ProviderAccount) -> set[int]:
    """Return the payments that earlier runs left."""
    return set(PostponedComparison.objects.filter(account=account).values_list("payment_id", flat=True))


def postpone(account: ProviderAccount, payment_pk: int) -> None:
    """Have the next run compare a payment although it may not change any more."""
    PostponedComparison.objects.get_or_create(
        account=account, payment_id=payment_pk, defaults={"postponed_at": server_time_now()}
    )


def postpone_sums(
    account: ProviderAccount, payment_pk: int, compared: Sequence[Compared], began: datetime
) -> None:
    """Have the next run compare a payment, and remember our sums for ``inconclusive``.

    Sums that are remembered already are kept until they are old enough to be of use. The time is only moved
    forward: it may be the one at which the provider must show a movement that was notified.
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
    """Return the sums that may disagree only because the provider does not show everything yet.

    ``began`` is the beginning of the run. A sum of which staff see a difference already is not among them.
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
    """Return True if not everything must show that we have booked, or asked the provider for.

    The provider has told us what we have booked, so it has arrived there.
    """
    lag = max(conf.order_lag, conf.modification_lag)
    calls = ProviderCall.objects.filter(attempt__payment_id=payment_pk)
    return ours.changed_at > began - lag or may_yet_show(calls)


def _sums_before(account: ProviderAccount, payment_pk: int, moment: datetime) -> Mapping[str, int]:
    """Return our sums as they were at some time before ``moment``, or none."""
    rows = PostponedComparison.objects.filter(
        account=account, payment_id=payment_pk, postponed_at__lte=moment
    )
    found: dict[str, int] | None = rows.values_list("sums", flat=True).first()
    return found or {}


def _may_be_late(sum: Compared, before: Mapping[str, int]) -> bool:
    """Return True if the provider's sum lies between ours ``before`` and now."""
    earlier = before.get(_name(sum))
    if earlier is None:
        return True
    return min(earlier, sum.ours) <= sum.theirs <= max(earlier, sum.ours)


def _name(sum: Compared) -> str:
    return f"{sum.kind} {sum.order_code}"
