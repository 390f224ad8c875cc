"""Compare the provider's books of an attempt, as staff found them, with our operations.

The result is everything that has to change in our books so that both agree. Nothing is changed here.
"""

from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Self

from django.db.models import Exists, OuterRef, Q, Subquery

from checkout.money import Money
from checkout.payments.books.events import BY_ISSUERS
from checkout.payments.books.ours import is_done_with_another_amount
from checkout.payments.calls import is_clean
from checkout.payments.checkout_messages import Fate, FiguresFound
from checkout.payments.messages import ClaimOutcome, ReviewOutcome
from checkout.payments.models import Attempt, Difference, Fact, Operation, Payment
from checkout.payments.models.payment import CLAIM_SETTLED, OPERATION_SETTLED, PAYMENT_SETTLED
from checkout.payments.models.reconciliation import OPEN_DIFFERENCE
from checkout.payments.models.saga import ASKING
from checkout.payments.providers.base import EventKind
from checkout.payments.totals import (
    ALL_BUT_REFUSED,
    OPEN,
    Sums,
    added_up,
    operations_of,
    operations_of_payment,
    sums_of_attempt,
    without_idle_voids,
)
from checkout.privacy.scrubbing import scrub_text
from checkout.states import ENDED_WITHOUT_MONEY, AttemptState, PaymentState

Kind, State = Operation.Kind, Operation.State

# The fact that a decision of staff was carried out.
SETTLEMENT_APPLIED = f"{PAYMENT_SETTLED}_applied"
# The facts that an attempt was looked into: by staff, or by a review in which the provider agreed.
_LOOKED_INTO = (SETTLEMENT_APPLIED, f"review_{ReviewOutcome.HELD}", f"review_{ReviewOutcome.RELEASED}")
# The facts that a claim is true, and the claims that contradict nothing if they are true.
_TRUE = Q(kind=f"claim_{ClaimOutcome.CONFIRMED}") | Q(kind=CLAIM_SETTLED, data__said="true")
_HARMLESS = (EventKind.AUTHORISED, EventKind.EXPIRED, *BY_ISSUERS)
MAY_HOLD_MONEY = (AttemptState.AUTHORISED, AttemptState.CONFLICTED)
# Payments in these states hold no money, and need no void.
_WITHOUT_MONEY = (PaymentState.REFUSED, PaymentState.EXPIRED, PaymentState.CANCELLED)


@dataclass(frozen=True, slots=True, kw_only=True)
class TheirBooks:
    """The provider's sums of one attempt. ``is_held`` says that more of its authorisation may be captured.

    ``charged_back`` is the sum less what issuers have returned. ``lacks`` has the references of operations
    that are done in our books and missing in the provider's, if the sums alone do not show which ones are
    missing.
    """

    captured: Money
    refunded: Money
    charged_back: Money
    is_held: bool
    lacks: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if len({each.currency for each in (self.captured, self.refunded, self.charged_back)}) > 1:
            raise ValueError("the sums of an attempt are in one currency")

    @classmethod
    def of(cls, found: FiguresFound) -> Self:
        """Return the sums that staff have found."""
        return cls(
            captured=Money(found.captured, found.currency),
            refunded=Money(found.refunded, found.currency),
            charged_back=Money(found.charged_back, found.currency),
            is_held=found.is_held,
            lacks=frozenset(found.lacks),
        )

    def found_for(self, attempt: str) -> FiguresFound:
        """Return the sums as what staff have found for the attempt with this order code."""
        return FiguresFound(
            attempt=attempt,
            captured=self.captured.minor,
            refunded=self.refunded.minor,
            charged_back=self.charged_back.minor,
            currency=self.captured.currency,
            is_held=self.is_held,
            lacks=tuple(sorted(self.lacks)),
        )

    @property
    def has_money(self) -> bool:
        """Return True if money of the shopper is held, or was taken, even if all of it went back."""
        return self.is_held or self.captured.minor > 0

    @property
    def kept(self) -> Money:
        """The amount that was taken and did not go back; negative if more went back."""
        return self.captured - self.refunded - self.charged_back

    @property
    def is_given_back(self) -> bool:
        """Return True if money was taken, nothing of it was kept, and no more can be taken."""
        return self.captured.minor > 0 and self.kept.minor <= 0 and not self.is_held

    @property
    def in_words(self) -> str:
        """The sums in words, as they are recorded in facts."""
        held = "an authorisation is held" if self.is_held else "no authorisation is held"
        return f"captured {self.captured}, refunded {self.refunded}, charged back {self.charged_back}, {held}"


@dataclass(frozen=True, slots=True)
class Reckoning:
    """The changes that make our books agree with the provider's, or ``why`` staff must say more.

    ``undone`` are done operations that the provider does not have. ``confirmed`` are done operations that a
    notification named with another amount. ``booked`` are the kinds and amounts of operations that our books
    lack. The others have no outcome yet. ``given_up`` are captures for which nothing is left, or that may be
    among ``booked``, and voids of an order that has money. ``arrived`` are captures that are exactly what our
    books lack, and voids of an order without money.
    """

    undone: Sequence[Operation] = ()
    given_up: Sequence[Operation] = ()
    arrived: Sequence[Operation] = ()
    confirmed: Sequence[Operation] = ()
    booked: Sequence[tuple[str, Money]] = ()
    why: str = ""

    @property
    def has_changes(self) -> bool:
        """Return True if our books do not agree with the provider's yet."""
        return bool(self.undone or self.given_up or self.arrived or self.confirmed or self.booked)

    def sums_after(self, attempt: Attempt, *, has_money: bool) -> Sums:
        """Add up the payment's operations as they will be after the changes."""
        states = {each.pk: State.REFUSED for each in (*self.undone, *self.given_up)}
        states |= {each.pk: State.DONE for each in self.arrived}
        after = [
            _with_state(each, states.get(each.pk, each.state))
            for each in operations_of_payment(attempt.payment)
        ]
        after += [
            Operation(attempt=attempt, kind=kind, amount_minor=amount.minor, state=State.DONE)
            for kind, amount in self.booked
        ]
        holding = [each.pk for each in others_of(attempt, AttemptState.AUTHORISED)]
        holding += [attempt.pk] if has_money else []
        return added_up(attempt.payment, without_idle_voids(after, lambda: holding))


def _with_state(operation: Operation, state: str) -> Operation:
    changed = copy(operation)
    changed.state = state
    return changed


def others_of(attempt: Attempt, *states: AttemptState) -> list[Attempt]:
    """Return the other attempts of the same payment that are in any of these states."""
    others = attempt.payment.attempts.exclude(pk=attempt.pk)
    return list(others.filter(state__in=states).order_by("number"))


def holders_beside(attempt: Attempt) -> list[Attempt]:
    """Return the other authorised attempts of the same payment that hold money, or of which some was taken.

    An attempt stays authorised if its authorisation is released, or expires.
    """
    others = others_of(attempt, AttemptState.AUTHORISED)
    return [each for each in others if sums_of_attempt(each).captured or not _is_released(each)]


def may_hold_money_beside(attempt: Attempt) -> list[Attempt]:
    """Return the other attempts that hold money, according to us or to the provider."""
    return [*others_of(attempt, *MAY_HOLD_MONEY), *_differing_beside(attempt)]


def contradicting_beside(attempt: Attempt) -> list[Attempt]:
    """Return the other attempts that have ended without money, but hold money according to the provider."""
    return [*others_of(attempt, AttemptState.CONFLICTED), *_differing_beside(attempt)]


def _differing_beside(attempt: Attempt) -> list[Attempt]:
    """Return the other attempts without money for which reconciliation has found some since staff looked."""
    found = Difference.objects.filter(
        OPEN_DIFFERENCE,
        kind__in=(Difference.Kind.AUTHORISED, Difference.Kind.CAPTURED),
        theirs_minor__gt=0,
        order_code=OuterRef("order_code"),
    )
    looked_into = Fact.objects.filter(
        kind=SETTLEMENT_APPLIED, attempt=OuterRef("pk"), recorded_at__gt=OuterRef("found_at")
    )
    others = attempt.payment.attempts.exclude(pk=attempt.pk).filter(state__in=ENDED_WITHOUT_MONEY)
    differing = others.annotate(found_at=Subquery(found.order_by("-found_at").values("found_at")[:1]))
    return list(differing.exclude(found_at=None).exclude(Exists(looked_into)).order_by("number"))


def is_open_beside(attempt: Attempt) -> bool:
    """Return True if another attempt contradicts us, too: the payment then waits for its figures."""
    return bool(contradicting_beside(attempt)) or is_contradicted_beside(attempt)


def is_contradicted_beside(attempt: Attempt) -> bool:
    """Return True if another authorised attempt contradicts us, and has not been looked into since.

    Somebody moved the money of that attempt in the provider's portal, which made the payment conflicted, or
    would have. So the conflict of the payment does not end with this attempt's.
    """
    return any(map(_has_open_claim, others_of(attempt, AttemptState.AUTHORISED)))


def _has_open_claim(attempt: Attempt) -> bool:
    confirmed = attempt.sagas.filter(kind=ASKING, data__answer=ClaimOutcome.CONFIRMED)
    claims = {saga.data["claim"] for saga in confirmed} - {*map(str, _HARMLESS)}
    looked_into = attempt.facts.filter(kind__in=_LOOKED_INTO).order_by("-pk").values_list("pk", flat=True)
    said = attempt.facts.filter(_TRUE, pk__gt=looked_into.first() or 0)
    return any(fact.data["claim"] in claims for fact in said)


def _is_released(attempt: Attempt) -> bool:
    expiries = attempt.sagas.filter(kind=ASKING, data__claim=EventKind.EXPIRED)
    voids = attempt.operations.filter(kind=Kind.VOID, state=State.DONE)
    return voids.exists() or expiries.filter(data__answer=ClaimOutcome.CONFIRMED).exists()


def is_let_go(attempt: Attempt, theirs: TheirBooks) -> bool:
    """Return True if the attempt is without money by ``theirs``, and another attempt may hold the payment's.

    If we have released the attempt, that agrees already, unless the payment is conflicted.
    """
    if theirs.has_money or not may_hold_money_beside(attempt):
        return False
    is_known = attempt.payment.state != PaymentState.CONFLICTED and _is_released(attempt)
    return not is_known or sums_of_attempt(attempt).captured > 0


def reckon(attempt: Attempt, theirs: TheirBooks) -> Reckoning:
    """Return the changes that our books need: what they lack, and what they have in excess."""
    ours = operations_of(attempt)
    done = [each for each in ours if each.state == State.DONE]
    # The sums cover all attempts, so a void of this one would count the money of another as released.
    has_no_void = theirs.has_money or is_let_go(attempt, theirs)
    undone = [each for each in done if each.kind == Kind.VOID and has_no_void]
    booked: list[tuple[str, Money]] = []
    arrived: list[Operation] = []
    for kind, total in ((Kind.CAPTURE, theirs.captured), (Kind.REFUND, theirs.refunded)):
        of_kind = [each for each in done if each.kind == kind]
        gone = _lacking(of_kind, total.minor, theirs.lacks)
        more = total.minor - _sum(of_kind) + _sum(gone)
        if more < 0:
            ours_left = Money(total.minor - more, total.currency)
            return Reckoning(why=_too_much(kind, ours_left, total))
        undone += gone
        found = _found(attempt, ours, kind, more)
        arrived += found
        if more and not found:
            booked.append((kind, Money(more, total.currency)))
    if theirs.lacks - {each.reference for each in undone}:
        return Reckoning(why="Only a capture or refund that is done can be what the provider does not have.")
    booked += _by_issuers(attempt, theirs)
    captured = sum(amount.minor for kind, amount in booked if kind == Kind.CAPTURE)
    given_up = _given_up([each for each in ours if each not in arrived], attempt.payment, theirs, captured)
    open_voids = [each for each in ours if each.kind == Kind.VOID and each.state in OPEN]
    given_up += open_voids if has_no_void else []
    if _lacks_a_void(attempt, ours, theirs, has_changes=bool(undone or given_up)):
        booked.append((Kind.VOID, attempt.payment.amount))
    arrived += [] if has_no_void else open_voids
    confirmed = [each for each in done if is_done_with_another_amount(each) and each not in undone]
    return Reckoning(undone, given_up, arrived, confirmed, booked)


def state_after(attempt: Attempt, theirs: TheirBooks, reckoning: Reckoning) -> PaymentState:
    """Return the state that the payment will have."""
    state = PaymentState(attempt.payment.state)
    if is_open_beside(attempt):
        return state
    if not theirs.has_money and not holders_beside(attempt):
        return state if state in _WITHOUT_MONEY else PaymentState.VOIDED
    is_known = any(each.reference == attempt.capture_reference for each in operations_of(attempt))
    if attempt.capture_reference and not is_known and theirs.is_held and not theirs.captured.minor:
        # The provider captures with the authorisation, without being asked again.
        return PaymentState.CAPTURE_PENDING
    return reckoning.sums_after(attempt, has_money=theirs.has_money).state


def _lacking(ours: Sequence[Operation], total: int, named: frozenset[str]) -> list[Operation]:
    """Return our operations that the provider lacks: those named, or the only one of the surplus amount."""
    gone = [each for each in ours if each.reference in named]
    if gone:
        return gone
    surplus = _sum(ours) - total
    fitting = [each for each in ours if each.amount_minor == surplus]
    return fitting if len(fitting) == 1 else []


def _found(attempt: Attempt, ours: Iterable[Operation], kind: str, more: int) -> list[Operation]:
    """Return our operations without an outcome that explain what our books lack, if that is certain.

    It is certain for the only operation of this amount, for the only one that staff have found at the
    provider before, and for all of them together. An operation of which no copy can have arrived explains
    nothing.
    """
    candidates = [each for each in ours if each.kind == kind and each.state in OPEN and not is_clean(each)]
    fitting = [each for each in candidates if each.amount_minor == more]
    if len(fitting) > 1:
        fitting = [each for each in fitting if _is_said_to_have_arrived(attempt, each)]
        return fitting if len(fitting) == 1 else []
    if fitting:
        return fitting
    return candidates if _sum(candidates) == more else []


def _is_said_to_have_arrived(attempt: Attempt, operation: Operation) -> bool:
    """Return True if staff have said that it arrived, perhaps in a decision that was not carried out yet."""
    said = {"data__reference": scrub_text(operation.reference), "data__said": Fate.ARRIVED.value}
    return attempt.facts.filter(kind=OPERATION_SETTLED, **said).exists()


def _too_much(kind: str, ours: Money, total: Money) -> str:
    return (
        f"The {kind}s in our books come to {ours}, not to {total}, and the sums do not tell which of them "
        "the provider does not have. Look for each by its reference, and mark those that are not there."
    )


def _given_up(
    ours: Iterable[Operation], payment: Payment, theirs: TheirBooks, booked: int
) -> list[Operation]:
    """Return the captures without an outcome that must not be settled or sent any more.

    Either nothing is left for them, or they may be a part of what is now ``booked`` as captured.
    """
    without_end = [each for each in ours if each.kind == Kind.CAPTURE and each.state in OPEN]
    has_room = theirs.has_money and theirs.captured.minor + _sum(without_end) <= payment.amount_minor
    return [each for each in without_end if not has_room or each.amount_minor <= booked]


def _by_issuers(attempt: Attempt, theirs: TheirBooks) -> list[tuple[str, Money]]:
    more = theirs.charged_back - Money(sums_of_attempt(attempt).charged_back, theirs.charged_back.currency)
    if more.minor > 0:
        return [(Kind.CHARGE_BACK, more)]
    returned = Money(-more.minor, more.currency)
    return [(Kind.CHARGE_BACK_REVERSAL, returned)] if returned.minor else []


def _lacks_a_void(
    attempt: Attempt, ours: Iterable[Operation], theirs: TheirBooks, *, has_changes: bool
) -> bool:
    """Return True if a void has to be added, because our sums would otherwise say that money is held.

    The sums cover all attempts. While another attempt may hold money, nothing may count as released.
    """
    if theirs.has_money or may_hold_money_beside(attempt):
        return False
    if attempt.payment.state in _WITHOUT_MONEY and not has_changes:
        return False
    is_released = any(each.kind == Kind.VOID and each.state in ALL_BUT_REFUSED for each in ours)
    return not is_released and (attempt.state == AttemptState.AUTHORISED or has_changes)


def _sum(operations: Iterable[Operation]) -> int:
    return sum(each.amount_minor for each in operations)
