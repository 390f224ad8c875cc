"""The table of sums: where the provider's sums of an order differ from ours, and what may be adopted.

Movements are adopted only when staff have the provider asked about an order, never by a program alone.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from checkout.money import Money
from checkout.payments.books.ours import Ours
from checkout.payments.books.theirs import (
    Answer,
    are_sums_void,
    is_dispute_told,
    may_be_of_settled_money,
    position_given,
    refunds_meant,
    shows_money,
)
from checkout.payments.books.verdicts import Conclusion, Verdict
from checkout.payments.models.payment import Operation
from checkout.payments.models.reconciliation import UNKNOWN_CURRENCY, Difference
from checkout.payments.providers.base import EventKind, Outcome, Position, ProviderResult, WholePosition
from checkout.states import AttemptState

Kind, State = Operation.Kind, Operation.State
Sum = Difference.Kind

_NAMES = {
    Kind.CAPTURE: "captures",
    Kind.REFUND: "refunds",
    Kind.CHARGE_BACK: "charge-backs",
    Kind.CHARGE_BACK_REVERSAL: "charge-backs",
}
_OPEN_STATES = (State.REQUESTED, State.PENDING, State.UNKNOWN)
_REFUNDS = (EventKind.REFUND_SENT, EventKind.REFUNDED)
# The outcomes that tell what the provider has of an order.
_TELLING = (Outcome.APPROVED, Outcome.REFUSED, Outcome.NOT_FOUND)


@dataclass(frozen=True, slots=True)
class Gap:
    """A sum of which the provider's value differs from ours.

    ``kind`` is the kind of operation that would close the gap, ``left`` the most that this operation may
    move, in minor units.
    """

    kind: Operation.Kind
    ours: Money
    theirs: Money
    left: int

    @property
    def minor(self) -> int:
        """The amount of the operation that would close the gap, in minor units."""
        more = self.theirs.minor - self.ours.minor
        return -more if self.kind == Kind.CHARGE_BACK_REVERSAL else more

    @property
    def may_be_adopted(self) -> bool:
        """Return True if the provider may have moved exactly this amount by itself."""
        return self.theirs.currency == self.ours.currency and 0 < self.minor <= self.left

    @property
    def in_words(self) -> str:
        """The difference, for staff."""
        return f"The {_NAMES[self.kind]} at the provider come to {self.theirs}, ours to {self.ours}."


def compare_review(
    ours: Ours, answer: Answer, *, may_exist: bool, is_for_another: bool, is_alone: bool
) -> tuple[Verdict, Gap | None]:
    """Return what the provider has of an order that staff have it asked about, and the gap to be adopted.

    The provider agrees with us that money is held (``CONFIRMED``, ``ADOPTED``), holds none (``REFUSED``),
    contradicts us, or does not tell. ``may_exist`` says that the order may exist although the provider does
    not find it, and ``is_alone`` that no other attempt of the payment holds money, is under way, or
    contradicts us.
    """
    result = answer.result
    if result.outcome not in _TELLING:
        return _untold("The provider did not say what became of it. Ask again later."), None
    if may_exist:
        return _untold("The provider does not find the order, which may exist. Look it up there."), None
    if is_for_another:
        return _stands(f"The provider still speaks of other money than ours: {result.amount}."), None
    if not shows_money(result):
        return _compare_released(ours), None
    if not is_alone:
        return _stands("Another attempt holds money, too, is under way, or contradicts us as well."), None
    if ours.state not in (AttemptState.AUTHORISED, AttemptState.CONFLICTED):
        return _stands(f"The provider holds money, and the attempt is {ours.state}."), None
    if ours.total(Kind.VOID, State.DONE):
        return _stands("The provider still holds what we have as released."), None
    return compare_sums(ours, answer)


def _compare_released(ours: Ours) -> Verdict:
    if ours.captured:
        why = f"The provider holds nothing, and we have {Money(ours.captured, ours.owed.currency)} captured."
        if ours.captured < ours.owed.minor:
            why = f"{why} It may have released only the rest, and does not tell what it has captured."
        return _stands(why)
    captures = [each for each in ours.of_kind(Kind.CAPTURE) if each.state in _OPEN_STATES]
    if any(each.minor != ours.owed.minor for each in captures):
        # The capture may have arrived, so that only the rest was released.
        return _stands("The provider holds nothing, and a capture of a part is still open.")
    return Verdict(Conclusion.REFUSED, "K1")


def compare_sums(ours: Ours, answer: Answer) -> tuple[Verdict, Gap | None]:
    """Compare the sums of an order that holds money, and return the gap that may be adopted, if any.

    A gap is adopted if the attempt is authorised, at most one sum differs, and our books have room for its
    amount. A refund that is only deduced from the kept sum must also have been notified. A conflicted attempt
    is confirmed only if no sum differs.
    """
    result = answer.result
    position = None if are_sums_void(ours, result) else _position(ours, answer)
    if position is None and (answer.last_event != EventKind.AUTHORISED or ours.captured):
        # Without sums, only the last event AUTHORISED says enough: the first capture would have replaced it.
        return _stands("The provider does not tell how much was captured and refunded."), None
    found = gaps(ours, position) if position is not None else []
    if found and answer.may_be_from_before(ours.last_booked_at):
        return _untold("The answer may be from before our last booking. Ask again later."), None
    found = [replace(gap, left=0) if _is_uncertain(ours, answer, position, gap) else gap for gap in found]
    for gap in found:
        if not gap.may_be_adopted or ours.state != AttemptState.AUTHORISED:
            return _stands(gap.in_words), None
    if len(found) > 1:
        # If the provider failed to report a balance, several sums would be wrong, not only one.
        words = " ".join(gap.in_words for gap in found)
        return _stands(f"{words} Only one sum that differs would be believed."), None
    if found:
        return Verdict(Conclusion.ADOPTED, "P1", minor=found[0].minor), found[0]
    return Verdict(Conclusion.CONFIRMED, "K1"), None


def _stands(why: str) -> Verdict:
    return Verdict(Conclusion.CONTRADICTION, "K1", why=why)


def _untold(why: str) -> Verdict:
    return Verdict(Conclusion.OPEN, "G5", why=why)


def _position(ours: Ours, answer: Answer) -> WholePosition | None:
    taken = ours.captured
    return position_given(
        answer.result,
        owed=ours.owed.minor,
        captured=(taken, taken + ours.total(Kind.CAPTURE, *_OPEN_STATES)),
        least_refunded=ours.refunded,
    )


def _is_uncertain(ours: Ours, answer: Answer, position: WholePosition | None, gap: Gap) -> bool:
    """Return True if the provider's sum is not certain enough to adopt the difference from ours."""
    result = answer.result
    if not answer.tells_all_sums and ours.captured < ours.owed.minor:
        # The rest may have been released, or captured and given back.
        return True
    if gap.kind != Kind.REFUND:
        return False
    may_be_untold = not answer.tells_all_sums or result.presume_unsettled
    if may_be_untold and not _is_told(ours, gap):
        # A captured sum that seems too small is no proof of a refund.
        return True
    tells_no_disputes = position is not None and position.charged_back is None
    return tells_no_disputes and is_dispute_told(ours, result)


def _is_told(ours: Ours, gap: Gap) -> bool:
    """Return True if a proven event reports a refund of this amount in addition to ours."""
    names = {each.told_as for each in ours.operations}
    amount = str(Money(gap.minor, gap.theirs.currency))
    return any(
        each.kind in _REFUNDS and each.is_proven and each.amount == amount and each.reference not in names
        for each in ours.told
    )


def gaps(ours: Ours, position: WholePosition) -> list[Gap]:
    """Return the provider's sums that our operations, including those under way, do not explain."""
    currency = ours.owed.currency
    found = []
    for kind, theirs, meant, left in (
        (Kind.CAPTURE, position.captured, (position.captured.minor,), ours.owed.minor - ours.captured),
        (
            Kind.REFUND,
            position.refunded,
            refunds_meant(position, ours.charged_back),
            ours.left_to_charge_back,
        ),
    ):
        done, asked = ours.total(kind, State.DONE), ours.total(kind, *_OPEN_STATES)
        most = ours.range(kind).most
        if not any(done <= minor <= most for minor in meant):
            # Nothing is adopted while an operation may still be sent. Staff withdraw that operation first.
            found.append(Gap(kind, Money(done, currency), theirs, left=0 if asked else left))
    mine = Money(ours.charged_back, currency)
    theirs = position.charged_back or mine
    if theirs.minor > mine.minor:
        found.append(Gap(Kind.CHARGE_BACK, mine, theirs, left=ours.left_to_charge_back))
    elif theirs.minor < mine.minor:
        found.append(Gap(Kind.CHARGE_BACK_REVERSAL, mine, theirs, left=mine.minor))
    return found


def is_beyond_ours(owed: Money, charged_back: Callable[[], int], result: ProviderResult) -> bool:
    """Return True if an answer reports money that no operation of ours can explain (row Y1).

    That is a charge-back, of which nobody may have notified us, and more captured than was authorised.
    ``charged_back`` returns our own sum, and is called only if the answer reports a charge-back.
    """
    position = result.position
    disputed = position.charged_back if position is not None else None
    captured = position.captured if position is not None else None
    if captured is not None and captured.minor > owed.minor:
        return True
    if result.kind != EventKind.CHARGED_BACK and not (disputed is not None and disputed.minor > 0):
        return False
    ours = charged_back()
    return not ours or (disputed is not None and disputed.minor > ours)


# The comparison of books, which a program makes, and after which staff decide


@dataclass(frozen=True, slots=True)
class Bounds:
    """Two bounds of a sum, in minor units. Mostly they are the same."""

    least: int
    most: int

    def nearest(self, minor: int) -> int:
        """Return the sum within the bounds that is nearest to ``minor``."""
        return max(self.least, min(minor, self.most))


@dataclass(frozen=True, slots=True)
class AttemptSums:
    """An attempt's sums in minor units. ``authorised`` excludes the part that was released or expired."""

    authorised: Bounds
    captured: Bounds
    refunded: Bounds
    charged_back: int


@dataclass(frozen=True, slots=True)
class Compared:
    """One sum in both books, in minor units of ``currency``, and whether they agree."""

    order_code: str
    kind: Sum
    currency: str
    ours: int
    theirs: int
    agrees: bool


@dataclass(frozen=True, slots=True)
class Untold:
    """One sum of ours that the provider does not tell. An earlier answer may have told it."""

    order_code: str
    kind: Sum
    ours: Bounds


def position_told(ours: Ours, sums: AttemptSums, result: ProviderResult) -> Position | None:
    """Return the sums of an answer; None if it tells none that can be compared with ours (row Y3).

    If the provider does not know the order, all sums are zero. The caller knows that it must know the order.
    """
    currency = ours.owed.currency
    if result.outcome == Outcome.NOT_FOUND:
        nothing = Money(0, currency)
        return WholePosition(authorised=nothing, captured=nothing, refunded=nothing, charged_back=nothing)
    if are_sums_void(ours, result):
        return None
    if result.position is not None and not isinstance(result.position, WholePosition):
        return result.position
    position = position_given(
        result,
        owed=ours.owed.minor,
        captured=(sums.captured.least, sums.captured.most),
        least_refunded=sums.refunded.least,
    )
    if position is None or sums.refunded.least <= position.refunded.minor <= sums.refunded.most:
        return position
    # A different refunded sum is no difference if money may have been settled.
    return None if may_be_of_settled_money(ours, result, position) else position


def compare_position(
    order_code: str, currency: str, sums: AttemptSums, position: Position, *, is_disputed: bool
) -> Iterator[Compared]:
    """Compare our sums of an order with those that the provider tells (row Y2).

    Sums that it does not tell are left out. One exception: if the order ``is_disputed`` and we have no
    charge-back, that is a difference, whatever the amount.
    """
    told_sums = _told(position)
    if told_sums:
        first = told_sums[0]
        is_same = first.currency == currency
        authorised = sums.authorised.nearest(first.minor)
        yield Compared(order_code, Sum.CURRENCY, first.currency, authorised, first.minor, is_same)
        for kind, mine, told in _by_kind(sums, position) if is_same else ():
            if told is not None:
                theirs = told.minor
                if kind == Sum.REFUNDED and isinstance(position, WholePosition):
                    theirs = refunded_as_ours(position, sums)
                nearest = mine.nearest(theirs)
                yield Compared(order_code, kind, currency, nearest, theirs, agrees=nearest == theirs)
    if is_disputed and position.charged_back is None and not sums.charged_back:
        yield Compared(order_code, Sum.CHARGED_BACK, UNKNOWN_CURRENCY, 0, 0, agrees=False)


def untold_sums(order_code: str, sums: AttemptSums, position: Position) -> list[Untold]:
    """Return our sums of an order of which the provider says nothing (row Y3)."""
    return [Untold(order_code, kind, mine) for kind, mine, told in _by_kind(sums, position) if told is None]


def compare_unknown_order(told: ProviderResult, *, is_known: bool = False) -> Compared:
    """Compare an order that only the provider knows (row U1). It differs if there may be money in it.

    ``is_known`` says that we know the order by now, so that it is compared as an attempt instead.
    """
    if told.outcome == Outcome.NOT_FOUND:
        theirs, agrees = Money(0, UNKNOWN_CURRENCY), True
    elif told.position is not None and (told_sums := _told(told.position)):
        theirs = max(told_sums, key=lambda money: money.minor)
        agrees = isinstance(told.position, WholePosition) and _has_no_money(told.position)
    else:
        theirs = told.amount or Money(0, UNKNOWN_CURRENCY)
        agrees = told.kept is not None and told.kept.minor == 0
    return Compared(told.order_code, Sum.ORDER, theirs.currency, 0, theirs.minor, agrees or is_known)


def refunded_as_ours(position: WholePosition, ours: AttemptSums) -> int:
    """Return the provider's sum of refunds. If it can mean several sums, prefer the one that equals ours."""
    meant = refunds_meant(position, ours.charged_back)
    return next((minor for minor in meant if ours.refunded.nearest(minor) == minor), meant[0])


def _by_kind(sums: AttemptSums, position: Position) -> tuple[tuple[Sum, Bounds, Money | None], ...]:
    """Return our sums and theirs. Those of refunds may have another meaning, see ``refunded_as_ours``."""
    return (
        (Sum.AUTHORISED, sums.authorised, position.authorised),
        (Sum.CAPTURED, sums.captured, position.captured),
        (Sum.REFUNDED, sums.refunded, position.refunded),
        (Sum.CHARGED_BACK, Bounds(sums.charged_back, sums.charged_back), position.charged_back),
    )


def _told(position: Position) -> list[Money]:
    sums = (position.authorised, position.captured, position.refunded, position.charged_back)
    return [each for each in sums if each is not None]


def _has_no_money(position: WholePosition) -> bool:
    """Return True if nothing is held, and all that was captured has gone back.

    The rest after a partial capture counts as held: the position does not tell whether it was released.
    """
    gone_back = position.refunded.minor + (position.charged_back.minor if position.charged_back else 0)
    return position.authorised.minor <= position.captured.minor <= gone_back
