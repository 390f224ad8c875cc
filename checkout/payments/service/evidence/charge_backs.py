"""Book an issuer's charge-back, or its reversal, that a notification reports.

The provider's own sum (``Position.charged_back``) decides. If the provider reports no such sum, its last
event must be the notified one, the notification must be proven and have a possible amount, and staff must not
have entered a sum that may include it. Everything else is left to staff: nothing is booked by guessing.
"""

from dataclasses import dataclass
from datetime import datetime

from checkout.money import Money
from checkout.payments.messages import CheckClaim, ClaimOutcome
from checkout.payments.models import Attempt, Operation
from checkout.payments.providers.base import EventKind, Outcome, ProviderResult
from checkout.payments.sagas.operations.adoption import adopt, key_of_claim
from checkout.payments.sagas.settlement.claim import REASON as FOUND_FOR_CLAIM
from checkout.payments.sagas.settlement.reckoning import FOUND_BY_STAFF
from checkout.payments.service.evidence.booked_operations import may_be_from_before_a_booking
from checkout.payments.totals import ALL_BUT_REFUSED, BY_ISSUER, Sums, operations_of, sums_of_attempt
from checkout.states import OPEN_ATTEMPTS

Kind, State = Operation.Kind, Operation.State
NAMES = {Kind.CHARGE_BACK: "a charge-back", Kind.CHARGE_BACK_REVERSAL: "the reversal of a charge-back"}


@dataclass(frozen=True, slots=True)
class Judgement:
    """The outcome of the check, the reason for staff, and the amount to be booked."""

    outcome: ClaimOutcome
    why: str = ""
    minor: int = 0


UNKNOWN = Judgement(ClaimOutcome.UNKNOWN)
UNDECIDED = Judgement(ClaimOutcome.UNDECIDED)
DENIED = Judgement(ClaimOutcome.DENIED)


def judge_movement(
    attempt: Attempt, command: CheckClaim, before: Sums, asked_at: datetime, result: ProviderResult
) -> tuple[Judgement, Operation | None]:
    """Judge the claim, and book it if possible. Return the judgement and the booked operation, if any.

    ``before`` has our sums from ``asked_at``, just before the provider was asked. The attempt must be locked.
    """
    kind = BY_ISSUER[command.claim]
    key = key_of_claim(command.claim, command.event_id, is_proven=command.is_proven)
    if key and attempt.payment.operations.filter(idempotency_key=key).exists():
        return Judgement(ClaimOutcome.BOOKED), None
    judgement = _judged(attempt, command, before, asked_at, result)
    if judgement.outcome != ClaimOutcome.BOOKED:
        return judgement, None
    reason = f"The provider was asked, and confirmed {NAMES[kind]}"
    return judgement, adopt(attempt, kind, judgement.minor, reason=reason, idempotency_key=key)


def _judged(
    attempt: Attempt, command: CheckClaim, before: Sums, asked_at: datetime, result: ProviderResult
) -> Judgement:
    now = sums_of_attempt(attempt)
    if result.outcome in (Outcome.UNKNOWN, Outcome.NOT_FOUND) or now != before:
        return UNKNOWN
    if attempt.state in OPEN_ATTEMPTS:
        # Its capture is recorded once its own outcome is known.
        return UNKNOWN
    told = result.position.charged_back if result.position else None
    if told is not None and may_be_from_before_a_booking(attempt, asked_at):
        return UNKNOWN
    if told is not None:
        return _judged_by_position(attempt, command.claim, told, now)
    if result.kind != command.claim:
        # A later event, such as the settlement, may have replaced it. A hint is not worth further questions.
        is_hidden = command.is_proven and result.kind != EventKind.AUTHORISED
        return UNDECIDED if is_hidden else DENIED
    return _judged_by_notification(attempt, command, now)


def _judged_by_position(attempt: Attempt, claim: str, told: Money, now: Sums) -> Judgement:
    """Judge by the difference between the provider's sum and ours, whatever amount the notification has."""
    kind, currency = BY_ISSUER[claim], attempt.payment.currency
    if told.currency != currency:
        return Judgement(
            ClaimOutcome.UNCLEAR,
            f"The provider has {told} as charged back, and the payment is in {currency}.",
        )
    more = told.minor - now.charged_back
    minor = more if kind == Kind.CHARGE_BACK else -more
    return _checked(kind, Money(minor, currency), now) if minor > 0 else DENIED


def _judged_by_notification(attempt: Attempt, command: CheckClaim, now: Sums) -> Judgement:
    kind, currency = BY_ISSUER[command.claim], attempt.payment.currency
    untold = f"The provider confirms {NAMES[kind]} and does not tell how much was charged back"
    if command.minor is None or not command.currency:
        return Judgement(ClaimOutcome.UNCLEAR, f"{untold}; neither does the notification.")
    amount = Money(command.minor, command.currency)
    if not command.is_proven:
        return Judgement(ClaimOutcome.UNCLEAR, f"{untold}; {amount} is what anybody may have sent us.")
    if amount.currency != currency:
        return Judgement(
            ClaimOutcome.UNCLEAR, f"{untold}; the notification says {amount}, not in {currency}."
        )
    operations = operations_of(attempt)
    if any((each.kind, each.amount) == (kind, amount) for each in operations):
        return Judgement(
            ClaimOutcome.UNCLEAR, f"{untold}; {amount} is booked already, and may be this or another one."
        )
    if any(_may_include(each, kind) for each in operations):
        return Judgement(
            ClaimOutcome.UNCLEAR,
            f"{untold}. Staff have entered what was charged back, which may include this {amount}.",
        )
    return _checked(kind, amount, now)


def _may_include(operation: Operation, kind: str) -> bool:
    """Return True if staff may have entered, in one sum, a movement of this kind that is notified later.

    The figures of a settlement are those of all charge-backs, less what was returned. The amount
    of a claim is all that our books lacked.
    """
    if operation.reason == FOUND_BY_STAFF:
        return operation.kind in NAMES
    return operation.reason == FOUND_FOR_CLAIM and operation.kind == kind


def _checked(kind: str, amount: Money, now: Sums) -> Judgement:
    """Check the amount against the sum that is left to be charged back or returned.

    A charge-back may be about a capture that is still under way: then the provider is asked again later.
    """
    is_charge_back = kind == Kind.CHARGE_BACK
    left = now.left_to_charge_back if is_charge_back else now.charged_back
    if 0 < amount.minor <= left:
        return Judgement(ClaimOutcome.BOOKED, minor=amount.minor)
    under_way = now.total(Kind.CAPTURE, *ALL_BUT_REFUSED) - now.captured
    if is_charge_back and 0 < amount.minor <= left + under_way:
        return UNKNOWN
    counted = "taken and not given back" if is_charge_back else "charged back"
    ours = Money(left, amount.currency)
    return Judgement(
        ClaimOutcome.UNCLEAR,
        f"{NAMES[Kind(kind)].capitalize()} of {amount} is more than is {counted}: {ours}.",
    )
