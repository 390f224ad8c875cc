"""The bodies of the commands that services send to each other, and of the replies.

The comment at each class names the command's type on the wire. All bodies are frozen and strict: an unknown
field is an error, so that a sender with another version of the contract is noticed at once. ``ANSWERS`` names
the body of the reply to each command; ``docs/messages.md`` says how a saga reacts to an error. ``payment`` is
a payment's reference, ``attempt`` an attempt's order code. Amounts are integer minor units with their ISO
4217 currency.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from checkout.states import PaymentState
from messaging.errors import MalformedMessage


def _one_of(*words: str) -> msgspec.Meta:
    """Return the constraint to one of a few words; any other text is malformed."""
    return msgspec.Meta(pattern=rf"^(?:{'|'.join(map(re.escape, words))})\Z")


# One of our own words, or nothing: a refusal reason is stored in a column, and pages have advice for it.
Word = Annotated[str, msgspec.Meta(pattern=r"^[a-z_]{0,50}\Z")]


class Body(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Common behaviour of all bodies."""


# checkout: the orchestrator


class SubmitPayment(Body, frozen=True):  # checkout.submit_payment
    payment: str
    attempt: str


class CompleteChallenge(Body, frozen=True):  # checkout.complete_challenge
    payment: str
    attempt: str


class AwaitPayment(
    Body, frozen=True
):  # checkout.await_payment: send a reply as soon as the payment has a state to report
    payment: str


class PassDeadline(Body, frozen=True):  # checkout.pass_deadline: a step took too long
    saga: int
    version: int


class StartOperation(
    Body, frozen=True
):  # checkout.start_operation: carry out a requested operation, or post one that an issuer has made
    payment: str
    operation: str


class ReviewPayment(Body, frozen=True):  # checkout.review_payment: staff want a conflict settled
    payment: str


class ResumeSaga(Body, frozen=True):  # checkout.resume_saga: staff want a parked saga to continue
    saga: int
    version: int


class SettleOperation(
    Body, frozen=True
):  # checkout.settle_operation: staff decide if a capture, void or refund of a parked saga arrived
    payment: str
    operation: str
    arrived: bool  # if False, it did not arrive and is to be sent again
    version: int  # of its saga, as staff saw it


class SettleClaim(
    Body, frozen=True, omit_defaults=True
):  # checkout.settle_claim: staff decide if the claim of a notification, whose saga is parked, is true
    payment: str
    saga: int
    is_true: bool
    version: int  # of the saga, as staff saw it
    booked: int  # the number of the attempt's charge-backs and reversals, as staff saw it
    by: str
    minor: int | None = None  # the amount to book for a true charge-back or reversal
    currency: str = ""


class SettlePayment(
    Body, frozen=True, omit_defaults=True
):  # checkout.settle_payment: staff state what the provider's books have for a conflict, in minor units
    payment: str
    attempt: str
    captured: int
    refunded: int
    charged_back: int  # minus what issuers have returned
    currency: str
    is_held: bool  # True if there is an authorisation of which more may be captured
    seen: str  # the state of all records, as staff saw it
    by: str
    lacks: list[str] = []  # references of done operations that the provider does not have


class AnnouncePayment(Body, frozen=True):  # checkout.announce_payment: it was moved outside a saga
    payment: str


class ApplyProviderEvent(
    Body, frozen=True, omit_defaults=True
):  # checkout.apply_provider_event: a notification's statement, already matched and recorded
    payment: str
    attempt: str
    kind: str
    minor: int | None = None
    currency: str = ""
    operation: str = ""  # our operation that it is about, if it names one
    event_id: str = ""  # the same each time the provider repeats the statement
    is_proven: bool = True  # if False, it is a hint: only a reason to query the provider


class PaymentTold(Body, frozen=True):
    """The answer to callers that wait: the present state of the payment."""

    payment: str
    state: Annotated[str, _one_of(*PaymentState)]


# risk


class AssessRisk(Body, frozen=True):  # risk.assess
    payment: str
    minor: int
    currency: str
    email: str = ""
    ip_address: str = ""


class RiskAssessed(Body, frozen=True):
    decision: Annotated[str, _one_of("accept", "reject")]
    reasons: list[str] = []


# orders


class OrderLine(Body, frozen=True):
    sku: str
    quantity: int


class ReserveStock(Body, frozen=True):  # orders.reserve
    payment: str
    lines: list[OrderLine]
    attempt: str = ""


class StockReserved(Body, frozen=True):
    reserved: bool
    missing: list[str] = []


class ConfirmOrder(Body, frozen=True):  # orders.confirm
    payment: str


class CancelOrder(Body, frozen=True):  # orders.cancel; sold stock is returned, for good
    payment: str


class ReleaseStock(Body, frozen=True):  # orders.release; what a later attempt reserved stays reserved
    payment: str
    attempt: str = ""


# payments: the service that calls the providers


class AuthorisePayment(Body, frozen=True):  # payments.authorise; the card travels sealed in the envelope
    payment: str
    attempt: str


class CompleteAuthentication(Body, frozen=True):  # payments.complete_challenge
    payment: str
    attempt: str


class CapturePayment(Body, frozen=True):  # payments.capture
    payment: str
    attempt: str
    operation: str
    minor: int
    currency: str


class VoidPayment(Body, frozen=True):  # payments.void
    payment: str
    attempt: str
    operation: str


class RefundPayment(Body, frozen=True):  # payments.refund
    payment: str
    attempt: str
    operation: str
    minor: int
    currency: str


class AbandonPayment(
    Body, frozen=True
):  # payments.abandon: release the money that may be held for an attempt that was not completed
    payment: str
    attempt: str


class InquirePayment(Body, frozen=True):  # payments.inquire
    payment: str
    attempt: str


class CheckClaim(
    Body, frozen=True, omit_defaults=True
):  # payments.check_claim: does the provider confirm a notification that our records do not explain?
    payment: str
    attempt: str
    claim: str
    operation: str = ""  # the operation that it names, of which our records say the opposite
    minor: int | None = None  # the notified amount of a charge-back or reversal, if it has one
    currency: str = ""
    event_id: str = ""  # makes booking it twice harmless
    is_proven: bool = True  # an unproven amount is not booked, as anybody may have sent it


class ReviewAttempt(Body, frozen=True):  # payments.review: do the provider and our records agree by now?
    payment: str
    attempt: str


class AttemptReviewed(Body, frozen=True):
    """The result of a review: ``held`` or ``released`` if the provider and we agree, ``stands`` if they
    do not, and ``unknown`` without an answer.
    """

    outcome: Annotated[str, _one_of("held", "released", "stands", "unknown")]


class InquireOperation(Body, frozen=True):  # payments.inquire_operation
    payment: str
    attempt: str
    operation: str


class ApplyNotification(
    Body, frozen=True
):  # payments.apply_notification: match a stored notification with its payment
    notification: int


class ProviderAnswered(Body, frozen=True):
    """The result of a provider call: ``outcome`` as in ``providers.base.Outcome``, ``conflicted``,
    ``not_shown`` (the provider's answer shows that an operation never arrived) or ``undecided`` (the
    provider's answer does not show whether the operation arrived).

    ``event`` is the provider's own word, ``refusal_reason`` ours.
    """

    outcome: Annotated[
        str,
        _one_of(
            "approved",
            "challenge_required",
            "pending",
            "refused",
            "not_sent",
            "unknown",
            "not_shown",
            "undecided",
            "conflicted",
        ),
    ]
    event: str = ""
    refusal_reason: Word = ""


class ClaimChecked(Body, frozen=True):
    """The result of a check: ``outcome`` is confirmed, denied, booked, unclear, undecided or unknown.

    A charge-back or its reversal is ``booked`` when the provider confirms it, or ``unclear`` if it cannot be
    booked without guessing; ``why`` is the reason, for staff. If the provider's answer neither confirms nor
    denies the claim, the outcome is ``undecided``. ``event`` is the provider's own word.
    """

    outcome: Annotated[str, _one_of("confirmed", "denied", "unknown", "booked", "unclear", "undecided")]
    event: str = ""
    why: str = ""


# ledger


class PostEntries(Body, frozen=True):  # ledger.post
    """``kind``: capture_requested, captured, refunded, reversal, capture_returned, refund_returned,
    charged_back or charge_back_reversed.
    """

    payment: str
    kind: str
    reference: str
    minor: int
    currency: str


# notifications


class SendReceipt(Body, frozen=True):  # notifications.send_receipt: everything that the e-mail says
    payment: str
    email: str  # empty if the shopper left none: then there is no receipt
    merchant: str
    order_reference: str
    description: str
    minor: int
    currency: str


class Done(Body, frozen=True):
    """A reply that says nothing but success."""


# The body of a reply, by the type of its command.
ANSWERS: Mapping[str, type[Body]] = {
    "checkout.submit_payment": PaymentTold,
    "checkout.complete_challenge": PaymentTold,
    "checkout.await_payment": PaymentTold,
    "risk.assess": RiskAssessed,
    "orders.reserve": StockReserved,
    "orders.confirm": Done,
    "orders.cancel": Done,
    "orders.release": Done,
    "payments.authorise": ProviderAnswered,
    "payments.complete_challenge": ProviderAnswered,
    "payments.inquire": ProviderAnswered,
    "payments.abandon": ProviderAnswered,
    "payments.capture": ProviderAnswered,
    "payments.void": ProviderAnswered,
    "payments.refund": ProviderAnswered,
    "payments.inquire_operation": ProviderAnswered,
    "payments.check_claim": ClaimChecked,
    "payments.review": AttemptReviewed,
    "ledger.post": Done,
    "notifications.send_receipt": Done,
}


def check_answer(type: str, result: Mapping[str, Any]) -> None:
    """Raise MalformedMessage unless ``result`` is a valid answer to ``type``."""
    try:
        msgspec.convert(result, ANSWERS[type])
    except msgspec.ValidationError as error:
        raise MalformedMessage(f"not an answer to {type}: {error}") from error
