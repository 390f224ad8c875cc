"""Decisions about claims and contradictions, made by staff who know the provider's true books."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal

from checkout.errors import OperationRejected
from checkout.money import Money, exponent
from checkout.payments.books.events import BY_ISSUERS, kind_by_issuer
from checkout.payments.books.figures import TheirBooks, reckon
from checkout.payments.models import Attempt, Fact, Operation, Payment, Saga
from checkout.payments.models.payment import CLAIM_SETTLED
from checkout.payments.models.saga import UNFINISHED
from checkout.payments.sagas.settlement.claim import left_to_book
from checkout.payments.sagas.settlement.matter import seen_of_saga
from checkout.payments.sagas.settlement.settleable import NOTHING_TO_SETTLE, attempts_to_settle
from checkout.payments.totals import ALL_BUT_REFUSED, Sums, sums_of_attempt
from checkout.states import AttemptState, PaymentState
from tests.support.settling import settle_claim, settle_payment

Kind, State = Operation.Kind, Operation.State


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """The provider's sums of one order, in minor units, and the fate of the authorisation.

    ``captured`` and ``refunded`` count accepted movements that have not failed, booked or not.
    ``charged_back`` is net of reversals. ``made`` has the references of refunds that were made, ``taken``
    those of captures that were made.
    """

    captured: int
    refunded: int
    charged_back: int
    made: frozenset[str] = frozenset()
    taken: frozenset[str] = frozenset()
    is_held: bool = False
    is_released: bool = False
    has_expired: bool = False


def net_sums(done: Counter[str]) -> tuple[int, int, int]:
    """Return the captured, refunded and charged-back sums, in minor units; the last is net of reversals.

    ``done`` has the sum of the done operations by kind.
    """
    return done["capture"], done["refund"], done["charge_back"] - done["charge_back_reversal"]


def settle_claim_by(truth: Truth, saga_pk: int, *, by: str) -> None:
    """Settle the claim of a parked saga. If an issuer moved money, give the amount that our books lack."""
    saga = Saga.objects.select_related("attempt__payment").get(pk=saga_pk)
    # A decision about another claim may be applied between these reads. Then this one must be refused.
    seen = seen_of_saga(saga)
    ours, claim = sums_of_attempt(saga.attempt), saga.data["claim"]
    reason = "It was looked up in the provider's books."
    if claim in BY_ISSUERS:
        missing = truth.charged_back - ours.charged_back
        sign = 1 if kind_by_issuer(claim) == Kind.CHARGE_BACK else -1
        # If exactly this amount is missing, our books have the movements of the other open notifications
        # already.
        is_all = missing * sign == saga.data["minor"]
        minor = missing * sign if is_all else (missing - _left_to_others(saga)) * sign
        amount = Money(minor, saga.payment.currency) if minor > 0 else None
        is_to_be_entered = saga.payment.state == PaymentState.CONFLICTED
        if amount is not None and is_to_be_entered and left_to_book(claim, saga.attempt) < amount:
            # The page advises this: the amount is among the figures with which the payment is settled.
            amount = None
        is_true = amount is not None
        settle_claim(saga_pk, is_true=is_true, amount=amount, by=by, reason=reason, seen=seen)
    else:
        is_true = _is_true(claim, truth, ours, saga)
        settle_claim(saga_pk, is_true=is_true, by=by, reason=reason, seen=seen)


def _left_to_others(saga: Saga) -> int:
    """Return the sum that issuers have moved according to the other open claims, in minor units.

    If staff have decided about a claim, their amount counts in place of the notification's, even before the
    gateway has applied their decision.
    """
    others = Saga.objects.filter(kind=saga.kind, attempt=saga.attempt, status__in=UNFINISHED)
    by_issuers = [each for each in others.exclude(pk=saga.pk) if each.data["claim"] in BY_ISSUERS]
    return sum(
        _minor_of(each) * (1 if kind_by_issuer(each.data["claim"]) == Kind.CHARGE_BACK else -1)
        for each in by_issuers
    )


def _minor_of(saga: Saga) -> int:
    """Return the sum that issuers have moved: as staff say, or else as a proven notification says."""
    said = saga.attempt.facts.filter(kind=CLAIM_SETTLED, data__saga=saga.pk).order_by("-pk").first()
    if said is None:
        return (saga.data["minor"] or 0) if saga.data["is_proven"] else 0
    amount, _, currency = said.data.get("amount", "").replace(",", "").partition(" ")
    return int(Decimal(amount).scaleb(exponent(currency))) if amount else 0


def settle_payment_by(
    truth_of: Callable[[str], Truth], reference: str, *, by: str, is_explained: bool = False
) -> bool:
    """Settle a payment by the provider's figures. Return False if a contradiction was not reviewed yet.

    If it ``is_explained``, staff know what was done in the portal, and need no review.

    ``truth_of`` returns the truth about an order code. Attempts without money are settled first.
    """
    payment = Payment.objects.get(reference=reference)
    reviewed = Fact.objects.filter(payment=payment, kind__in=("review_stands", "review_unknown"))
    if payment.state == PaymentState.CONFLICTED and not is_explained and not reviewed.exists():
        return False
    books = [(each, _books_of(each, truth_of(each.order_code))) for each in attempts_to_settle(payment)]
    if not books:
        raise OperationRejected(NOTHING_TO_SETTLE)
    # An attempt whose books agree with ours need not be entered.
    news = [
        (attempt, theirs)
        for attempt, theirs in books
        if attempt.state != AttemptState.AUTHORISED
        or not theirs.has_money
        or reckon(attempt, theirs).has_changes
    ]
    attempt, theirs = min(news or books, key=lambda found: found[1].has_money)
    reason = "It was looked up in the provider's books."
    settle_payment(reference, theirs, attempt=attempt.order_code, by=by, reason=reason)
    return True


def _books_of(attempt: Attempt, truth: Truth) -> TheirBooks:
    currency, owed = attempt.payment.currency, attempt.payment.amount_minor
    asked_for = attempt.operations.filter(kind__in=(Kind.CAPTURE, Kind.REFUND), state=State.DONE)
    # Operations that were adopted from the provider's books have a reference that the provider does not know.
    named = asked_for.exclude(reason__startswith="Found at").exclude(reason__startswith="Staff found")
    references = set(named.values_list("reference", flat=True))
    theirs = TheirBooks(
        captured=Money(truth.captured, currency),
        refunded=Money(truth.refunded, currency),
        charged_back=Money(truth.charged_back, currency),
        is_held=truth.is_held and truth.captured < owed,
        lacks=frozenset(references - truth.made - truth.taken),
    )
    if not reckon(attempt, theirs).why:
        return theirs
    # A part of an adopted operation was returned. The provider no longer has an operation of the whole
    # amount.
    adopted = set(asked_for.values_list("reference", flat=True)) - references
    return replace(theirs, lacks=theirs.lacks | adopted)


def _is_true(claim: str, truth: Truth, ours: Sums, saga: Saga) -> bool:
    named = saga.attempt.operations.filter(reference=saga.data.get("operation", ""), state=State.REFUSED)
    match claim:
        case "captured":
            return truth.captured > _explained(saga.attempt, Kind.CAPTURE, truth.taken)
        case "refunded" if (refund := named.filter(kind=Kind.REFUND).first()) is not None:
            return refund.reference in truth.made
        case "refunded":
            return truth.refunded > _explained(saga.attempt, Kind.REFUND, truth.made)
        case "capture_failed":
            return truth.captured < ours.captured
        case "refund_failed":
            return truth.refunded < ours.refunded
        case "cancelled":
            return truth.is_released and not ours.total(Kind.VOID, *ALL_BUT_REFUSED)
        case "expired":
            return truth.has_expired
        case "authorised":
            return truth.is_held and saga.attempt.state != AttemptState.AUTHORISED
        case _:
            raise NotImplementedError(f"say here when the claim {claim} is true")


def _explained(attempt: Attempt, kind: str, arrived: frozenset[str]) -> int:
    """Return the sum that our operations explain, in minor units: of those that are done or have arrived.

    An open operation that has not arrived explains nothing, whatever its amount.
    """
    ours = attempt.operations.filter(kind=kind)
    return sum(each.amount_minor for each in ours if each.state == State.DONE or each.reference in arrived)
