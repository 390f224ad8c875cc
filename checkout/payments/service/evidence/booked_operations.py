"""Our record of an attempt's captures or refunds at one moment, which sets limits to the provider's sums.

A refund is in doubt from a notification that reports its failure by reference until an inquiry has found it
made, it was made after all, or staff say that it arrived. All of these are recorded as facts. They are
written while the attempt is locked, so that they are stored in the order in which they became known.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from checkout.conf import conf
from checkout.money import Money
from checkout.payments.calls import has_had_no_effect, is_clean
from checkout.payments.failed_refunds import MADE_AFTER_ALL, failed_refunds
from checkout.payments.models import Attempt, Fact, Operation, Saga
from checkout.payments.models.payment import HINTED, NOTIFIED
from checkout.payments.models.saga import UNFINISHED
from checkout.payments.providers.base import EventKind, Outcome, Position, ProviderResult
from checkout.payments.sagas.settlement.operation import ARRIVED, OPERATION_SETTLED
from checkout.payments.sagas.settlement.reckoning import NOT_FOUND
from checkout.payments.sagas.settlement.verification import Verification
from checkout.payments.service.operation_outcome import AFTER_A_CAPTURE
from checkout.payments.totals import BY_ISSUER, Sums, operations_of, sums_of_attempt
from checkout.privacy.scrubbing import scrub_text

Kind, State = Operation.Kind, Operation.State

FAILURE_TOLD = f"{NOTIFIED}{EventKind.REFUND_FAILED}"
FOUND_MADE = "inquire_refund_approved"
# The most refunds of an attempt of which all sums are compared with what is kept.
MOST_COMPARED = 12
SETTLEMENT_TOLD = [f"{told}{EventKind.SETTLED}" for told in (NOTIFIED, HINTED)]


@dataclass(frozen=True, slots=True)
class Entry:
    """One operation, with the primary key of the fact that puts it in doubt, if there is one.

    It ``is_clean`` if no copy of its request has had an effect, and none may have one yet.
    """

    reference: str
    minor: int
    state: str
    doubt: int | None = None
    is_clean: bool = False

    @property
    def is_in_doubt(self) -> bool:
        """Return True if a notification says that it failed, and nothing has denied that since."""
        return self.doubt is not None


@dataclass(frozen=True, slots=True)
class BookedOperations:
    """All operations of one kind that were not refused.

    An answer describes the order at the time of the inquiry, so it may only be compared with this record if
    the record has not changed since. ``failed`` is the sum of failed refunds, and of operations that staff
    did not find at the provider, in minor units: they may still be made.
    """

    entries: tuple[Entry, ...]
    failed: int = 0

    def of(self, reference: str) -> Entry | None:
        """Return the entry with this reference, or None."""
        return next((each for each in self.entries if each.reference == reference), None)

    def without(self, reference: str) -> "BookedOperations":
        """Return a copy without the entry with this reference."""
        return replace(self, entries=tuple(each for each in self.entries if each.reference != reference))

    @property
    def least(self) -> int:
        """The sum that the provider has certainly booked, in minor units."""
        return sum(each.minor for each in self.entries if each.state == State.DONE and not each.is_in_doubt)

    @property
    def most(self) -> int:
        """The largest sum that the provider can have booked, in minor units."""
        return sum(each.minor for each in self.entries if not each.is_clean)

    @property
    def most_after_all(self) -> int:
        """The largest sum that the provider can have booked, with what may still be made, in minor units."""
        return self.most + self.failed


def booked_operations_of(attempt: Attempt, kind: str) -> BookedOperations:
    """Return our present record of the attempt's operations of this kind."""
    made = [each for each in operations_of(attempt) if each.kind == kind and each.state != State.REFUSED]
    names = [scrub_text(each.reference) for each in made]
    doubts = _doubts(attempt, names) if kind == Kind.REFUND and made else {}
    return BookedOperations(
        tuple(
            Entry(each.reference, each.amount_minor, each.state, doubts.get(name), is_clean(each))
            for each, name in zip(made, names, strict=True)
        ),
        failed=sum(each.amount_minor for each in _still_to_be_made(attempt, kind)),
    )


def _still_to_be_made(attempt: Attempt, kind: str) -> list[Operation]:
    """Return the refused operations of this kind that may be carried out after all."""
    failed = failed_refunds(attempt) if kind == Kind.REFUND else []
    ours = (each for each in operations_of(attempt) if each.kind == kind and each.state == State.REFUSED)
    not_found = [each for each in ours if each.refusal_reason == NOT_FOUND]
    calls = attempt.provider_calls.filter(key__in=[each.reference for each in not_found])
    sent = {call.key for call in calls if not has_had_no_effect(call)} if not_found else ()
    return [*failed, *(each for each in not_found if each.reference in sent)]


def may_be_from_before_a_booking(attempt: Attempt, asked_at: datetime) -> bool:
    """Return True if an answer to a question of this time may not show yet what has been booked last.

    Queries are answered from copies of the provider's books, which are up to ``CHECKOUT_ORDER_LAG_SECONDS``
    old, and one may be older than another. The time is that of the database: to a process whose clock is
    ahead, each booking would be long ago.
    """
    booked = attempt.operations.filter(state=State.DONE, updated_at__gt=asked_at - conf.order_lag)
    return booked.exists()


def are_sums_void(order_code: str, result: ProviderResult) -> bool:
    """Return True if the answer's sums presume that nothing was settled, and a notification tells otherwise.

    One that is not proven is enough, since nothing is concluded from it but that the sums tell nothing.
    """
    told = Fact.objects.filter(attempt__order_code=order_code, kind__in=SETTLEMENT_TOLD)
    return result.presume_unsettled and told.exists()


def may_be_of_settled_money(order_code: str, result: ProviderResult, told: Position) -> bool:
    """Return True if what is kept may be the sum of some of our refunds, made after an untold settlement."""
    kept = told.captured.minor - told.refunded.minor
    if not result.presume_unsettled or not kept:
        return False
    refunds = Operation.objects.filter(attempt__order_code=order_code, kind=Kind.REFUND)
    amounts = list(refunds.exclude(state=State.REFUSED).values_list("amount_minor", flat=True))
    return len(amounts) > MOST_COMPARED or kept in _sums_of_some(amounts)


def position_given(
    result: ProviderResult, *, owed: int, captured: tuple[int, int], least_refunded: int
) -> Position | None:
    """Return the order's sums, given the bounds of our captures, in minor units; None if they are unknown.

    ``owed`` is the payment's amount. If the provider tells only what it has kept, its captured sum is taken
    to be the one within the bounds that fits best, or the kept sum if that is more. Nothing follows from

    - a kept sum that includes no refund although the last event is one: it may be from before that refund;
    - a kept sum of nothing if none of our captures explains a last event that follows a capture: what was
      taken has gone back;
    - the news that all was released if a part may be captured: it may be about the rest.
    """
    least, most = captured
    if result.position is not None:
        is_of_rest = _says_released(result) and most > 0 and least < owed
        return None if is_of_rest else result.position
    if result.kept is None or result.amount is None:
        return None
    kept, currency = result.kept.minor, result.kept.currency
    taken = max(kept, least, min(kept + least_refunded, most))
    if taken == kept and result.kind in (EventKind.REFUND_SENT, EventKind.REFUNDED):
        return None
    if not taken and result.kind in AFTER_A_CAPTURE:
        return None
    return Position(
        authorised=result.amount, captured=Money(taken, currency), refunded=Money(taken - kept, currency)
    )


def _says_released(result: ProviderResult) -> bool:
    is_end = result.kind in (EventKind.CANCELLED, EventKind.EXPIRED)
    return is_end and result.position is not None and not result.position.authorised.minor


def reliable_sum(attempt: Attempt, result: ProviderResult, kind: str) -> int | None:
    """Return the provider's sum of all captures or refunds, in minor units; None if it is not reliable.

    A provider's refunded sum is the captured sum less what is left of that. If its captures differ from ours,
    the refunded sum may include money that was never captured. If it does not report charge-backs apart, the
    sum may include money that an issuer took, which may not be booked yet. If the sum exceeds everything that
    we know to have gone back, the provider left out money that is still held, and its captured sum is too
    large by as much. Sums that presume that nothing was settled are not reliable if something was.
    """
    if result.outcome != Outcome.APPROVED or kind not in (Kind.CAPTURE, Kind.REFUND):
        return None
    if are_sums_void(attempt.order_code, result):
        return None
    position, ours = result.position, sums_of_attempt(attempt)
    if position is None:
        return _sum_by_kept(attempt, result, kind, ours)
    if kind == Kind.CAPTURE:
        gone_back = booked_operations_of(attempt, Kind.REFUND).most + ours.charged_back
        return position.captured.minor if position.refunded.minor <= gone_back else None
    if position.captured.minor != ours.captured:
        return None
    if position.charged_back is None and (ours.charged_back or is_charge_back_open(attempt, result)):
        return None
    return _unless_ambiguous(attempt, result, position)


def _sum_by_kept(attempt: Attempt, result: ProviderResult, kind: str, ours: Sums) -> int | None:
    """Return the sum if it follows from the sum that is kept of the captures, and from our captures.

    At least the kept sum was captured. If that is all that we may have captured, all of that was. The
    refunds are what is missing from our captures, if no capture is open.
    """
    if result.kept is None:
        return None
    captures = booked_operations_of(attempt, Kind.CAPTURE)
    if kind == Kind.CAPTURE:
        return result.kept.minor if result.kept.minor >= captures.most else None
    if captures.least != captures.most or result.kept.minor > captures.most:
        return None
    if ours.charged_back or is_charge_back_open(attempt, result):
        return None
    told = position_given(result, owed=ours.owed, captured=(ours.captured, ours.captured), least_refunded=0)
    return _unless_ambiguous(attempt, result, told) if told is not None else None


def _unless_ambiguous(attempt: Attempt, result: ProviderResult, told: Position) -> int | None:
    """Return the refunded sum; None if some of our refunds may have raised what is kept to what it is.

    A settlement is not always notified. Then what is kept would be the sum of the refunds after it, and the
    refunded sum that of these and of all that are certain. Many refunds are not compared: of them, there are
    too many sums.
    """
    kept, refunded = told.captured.minor - told.refunded.minor, told.refunded.minor
    if not result.presume_unsettled or not kept:
        return refunded
    refunds = booked_operations_of(attempt, Kind.REFUND)
    if len(refunds.entries) > MOST_COMPARED:
        return None
    certain = [each for each in refunds.entries if each.state == State.DONE and not each.is_in_doubt]
    open_ones = [each for each in refunds.entries if each not in certain]
    of_certain = _sums_of_some(each.minor for each in certain)
    of_open_ones = _sums_of_some(each.minor for each in open_ones)
    others = (each for each in of_open_ones if refunds.least + each != refunded)
    return None if any(kept - each in of_certain for each in others) else refunded


def _sums_of_some(amounts: Iterable[int]) -> set[int]:
    sums = {0}
    for amount in amounts:
        sums |= {each + amount for each in sums}
    return sums


def is_charge_back_open(attempt: Attempt, result: ProviderResult) -> bool:
    """Return True if the last event or an open claim tells of a charge-back, or of its reversal.

    Perhaps it is not booked yet. Then money that is missing at the provider need not have been refunded.
    """
    claims = Saga.objects.filter(attempt=attempt, kind=Verification.kind, status__in=UNFINISHED)
    return result.kind == EventKind.CHARGED_BACK or claims.filter(data__claim__in=[*BY_ISSUER]).exists()


def _doubts(attempt: Attempt, names: Collection[str]) -> dict[str, int]:
    """Return the facts that put refunds in doubt, by the refund's reference.

    Facts about other references than ``names`` are not read: anybody can cause any number of them.
    """
    facts = Fact.objects.filter(
        attempt=attempt,
        kind__in=(FAILURE_TOLD, FOUND_MADE, MADE_AFTER_ALL, OPERATION_SETTLED),
        data__reference__in=names,
    )
    doubts: dict[str, int] = {}
    for fact in facts.only("kind", "data").order_by("pk"):
        reference = fact.data["reference"]
        if fact.kind == FAILURE_TOLD and "not_applied" not in fact.data:
            doubts[reference] = fact.pk
        elif fact.kind in (FOUND_MADE, MADE_AFTER_ALL) or fact.data.get("said") == ARRIVED:
            doubts.pop(reference, None)
    return doubts
