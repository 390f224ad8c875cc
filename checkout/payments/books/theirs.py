"""The provider's side of an order: the sums that follow from one answer, given our side of the order.

A sum that the answer does not tell is None, and is never guessed.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from checkout.money import Money
from checkout.payments.books.events import BY_ISSUERS, FOLLOW_CAPTURE, RELEASES
from checkout.payments.books.ours import Ours
from checkout.payments.models.payment import Operation
from checkout.payments.providers.base import EventKind, Outcome, ProviderResult, WholePosition

Kind = Operation.Kind

# The most refunds of which all sums are compared with what is kept.
MOST_COMPARED = 12
_REFUNDS = (EventKind.REFUND_SENT, EventKind.REFUNDED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The provider's answer to a question about an order.

    ``asked_at`` is the time of the question, by the database's clock. The answer ``must_show`` every request
    that has arrived, if all of ours were old enough. If the ``queue_is_over``, no copy of the request can
    still wait at the provider, where no query shows it. The answer comes from copies of the provider's books
    that are up to ``lag`` old.
    """

    result: ProviderResult
    asked_at: datetime
    must_show: bool = False
    queue_is_over: bool = False
    lag: timedelta = timedelta(0)

    @property
    def last_event(self) -> EventKind:
        """The order's last event."""
        return self.result.kind

    @property
    def tells_all_sums(self) -> bool:
        """Return True if the position tells what was authorised, captured and refunded."""
        return isinstance(self.result.position, WholePosition)

    @property
    def tells_the_order(self) -> bool:
        """Return True if the provider knows the order and tells its outcome."""
        return self.result.outcome in (Outcome.APPROVED, Outcome.REFUSED)

    def may_be_from_before(self, moment: datetime | None) -> bool:
        """Return True if the answer may not show yet what happened at ``moment``."""
        return moment is not None and self.asked_at - self.lag < moment


def shows_money(result: ProviderResult) -> bool:
    """Return True if the provider holds or has taken money for the order, although a rest may be released."""
    return result.outcome == Outcome.APPROVED and (result.kind not in RELEASES or result.kept is not None)


def are_sums_void(ours: Ours, result: ProviderResult) -> bool:
    """Return True if the answer's sums are only right if nothing was settled, and a notification reports one.

    An unproven notification is enough, since the only conclusion is that the sums show nothing.
    """
    return result.presume_unsettled and ours.is_settlement_told


def position_given(
    result: ProviderResult, *, owed: int, captured: tuple[int, int], least_refunded: int
) -> WholePosition | None:
    """Return the order's sums in minor units, given the bounds of our captures; None if they are unknown.

    ``owed`` is the payment's amount. If the provider tells only the sum that it has kept, the captured sum is
    the one within the bounds that fits best, or the kept sum if that is more. Nothing follows from

    - a kept sum that includes no refund although the last event is one: it may be from before that refund;
    - a kept sum of nothing if none of our captures explains a last event that follows a capture: what was
      taken has gone back;
    - the news that all was released if a part may be captured: it may be about the rest.
    """
    least, most = captured
    if isinstance(result.position, WholePosition):
        is_of_rest = _says_released(result) and most > 0 and least < owed
        return None if is_of_rest else result.position
    if result.kept is None or result.amount is None:
        return None
    kept, currency = result.kept.minor, result.kept.currency
    taken = max(kept, least, min(kept + least_refunded, most))
    if taken == kept and result.kind in _REFUNDS:
        return None
    if not taken and result.kind in FOLLOW_CAPTURE:
        return None
    return WholePosition(
        authorised=result.amount, captured=Money(taken, currency), refunded=Money(taken - kept, currency)
    )


def refunds_meant(position: WholePosition, charged_back: int) -> tuple[int, ...]:
    """Return the sums of refunds that the position may mean, in minor units, the likeliest first.

    ``charged_back`` is the sum of charge-backs in our own books. A provider that does not report charge-backs
    may include them in its refunds.
    """
    refunded = position.refunded.minor
    if position.charged_back is not None or not charged_back:
        return (refunded,)
    return (refunded, refunded - charged_back)


def _says_released(result: ProviderResult) -> bool:
    is_end = result.kind in (EventKind.CANCELLED, EventKind.EXPIRED)
    return is_end and isinstance(result.position, WholePosition) and not result.position.authorised.minor


def reliable_sum(ours: Ours, result: ProviderResult, kind: str | None) -> int | None:
    """Return the provider's sum of all captures or refunds, in minor units; None if it is not reliable.

    The captured sum is too large if the refunded sum exceeds all that we know to have gone back: the provider
    then left out money that is still held. The refunded sum is the captured sum less what is left of it. It
    may include money that was never captured if the provider's captures differ from ours, and money that an
    issuer took if the provider does not report charge-backs apart.

    Sums that presume that nothing was settled are not reliable after a settlement.
    """
    if result.outcome != Outcome.APPROVED or kind not in (Kind.CAPTURE, Kind.REFUND):
        return None
    if are_sums_void(ours, result):
        return None
    position = result.position
    if not isinstance(position, WholePosition):
        return _sum_by_kept(ours, result, kind)
    if kind == Kind.CAPTURE:
        gone_back = ours.range(Kind.REFUND).most + ours.charged_back
        return position.captured.minor if position.refunded.minor <= gone_back else None
    if position.captured.minor != ours.captured:
        return None
    if position.charged_back is None and (ours.charged_back or is_dispute_told(ours, result)):
        return None
    return _unless_ambiguous(ours, result, position)


def is_dispute_told(ours: Ours, result: ProviderResult) -> bool:
    """Return True if the last event or an open claim reports a charge-back, or its reversal.

    It may not be booked yet. So money that is missing at the provider was not necessarily refunded.
    """
    return result.kind in BY_ISSUERS or ours.is_dispute_claimed


def _sum_by_kept(ours: Ours, result: ProviderResult, kind: str) -> int | None:
    """Return the sum if it follows from the kept sum of the captures, and from our captures.

    At least the kept sum was captured. If we have captured no more than that, all of it was captured. If no
    capture is open, the refunds are the difference between our captures and the kept sum.
    """
    if result.kept is None:
        return None
    captures = ours.range(Kind.CAPTURE)
    if kind == Kind.CAPTURE:
        return result.kept.minor if result.kept.minor >= captures.most else None
    if captures.least != captures.most or result.kept.minor > captures.most:
        return None
    if ours.charged_back or is_dispute_told(ours, result):
        return None
    captured = (ours.captured, ours.captured)
    told = position_given(result, owed=ours.owed.minor, captured=captured, least_refunded=0)
    return _unless_ambiguous(ours, result, told) if told is not None else None


def keeps_less(ours: Ours, result: ProviderResult, minor: int) -> bool:
    """Return True if refunds and disputes do not explain why so little is kept of a capture of ``minor``.

    The capture then differs: a settlement, or a return of money that we do not know, would be the last event.
    """
    if result.kept is None or result.kind != EventKind.CAPTURED or is_dispute_told(ours, result):
        return False
    return result.kept.minor < minor - ours.range(Kind.REFUND).most - ours.charged_back


def _unless_ambiguous(ours: Ours, result: ProviderResult, told: WholePosition) -> int | None:
    """Return the refunded sum; None if the kept sum may come from some of our refunds after a settlement.

    A settlement is not always notified. After one, the kept sum is that of the later refunds only. If there
    are many refunds, they are not compared, because they have too many sums.
    """
    kept, refunded = told.captured.minor - told.refunded.minor, told.refunded.minor
    if not result.presume_unsettled or not kept:
        return refunded
    refunds = ours.range(Kind.REFUND)
    if len(refunds.entries) > MOST_COMPARED:
        return None
    of_certain = sums_of_some(each.minor for each in refunds.entries if each.is_certain)
    of_open_ones = sums_of_some(each.minor for each in refunds.entries if not each.is_certain)
    others = (each for each in of_open_ones if refunds.least + each != refunded)
    return None if any(kept - each in of_certain for each in others) else refunded


def may_be_of_settled_money(ours: Ours, result: ProviderResult, told: WholePosition) -> bool:
    """Return True if the kept sum may be that of some refunds after a settlement that was not notified."""
    kept = told.captured.minor - told.refunded.minor
    if not result.presume_unsettled or not kept:
        return False
    refunds = ours.range(Kind.REFUND).entries
    return len(refunds) > MOST_COMPARED or kept in sums_of_some(each.minor for each in refunds)


def sums_of_some(amounts: Iterable[int]) -> set[int]:
    """Return the sums of all selections of these amounts, in minor units."""
    sums = {0}
    for amount in amounts:
        sums |= {each + amount for each in sums}
    return sums
