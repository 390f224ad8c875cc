"""The bodies of the commands that services send to each other, and of the replies.

A command's type on the wire is in its comment. All are frozen and strict: an unknown field is an error,
so that a sender with another idea of the contract is noticed at once. ``ANSWERS`` names the body of the reply
to each command; ``docs/messages.md`` says what a saga does about an error. ``payment`` is a payment's
reference, ``attempt`` an attempt's order code. Amounts are integer minor units with their ISO 4217 currency.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from checkout.states import PaymentState
from messaging.errors import MalformedMessage


def _one_of(*words: str) -> msgspec.Meta:
    """One of a few words; anything else is malformed."""
    return msgspec.Meta(pattern=rf"^(?:{'|'.join(map(re.escape, words))})\Z")


# A word of ours, or nothing: a refusal reason has a column, and the pages an advice for it.
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
):  # checkout.await_payment: answer me as well when there is something to tell
    payment: str


class PassDeadline(Body, frozen=True):  # checkout.pass_deadline: a step took too long
    saga: int
    version: int


class StartOperation(
    Body, frozen=True
):  # checkout.start_operation: what was asked for is to be carried out; what an issuer did, to be posted
    payment: str
    operation: str


class ReviewPayment(Body, frozen=True):  # checkout.review_payment: staff want a conflicted one settled
    payment: str


class ResumeSaga(Body, frozen=True):  # checkout.resume_saga: staff want a parked saga to go on
    saga: int
    version: int


class SettleOperation(
    Body, frozen=True
):  # checkout.settle_operation: staff say what became of a capture, void or refund whose saga is parked
    payment: str
    operation: str
    arrived: bool  # otherwise it did not, and is to be sent again
    version: int  # of its saga, as staff saw it


class SettleClaim(
    Body, frozen=True, omit_defaults=True
):  # checkout.settle_claim: staff say if it is so what a notification claims, whose saga is parked
    payment: str
    saga: int
    is_true: bool
    version: int  # of the saga, as staff saw it
    booked: int  # how many charge-backs and reversals of the attempt there were, as staff saw it
    by: str
    minor: int | None = None  # of a charge-back or its reversal that is true: how much is to be booked
    currency: str = ""


class SettlePayment(
    Body, frozen=True, omit_defaults=True
):  # checkout.settle_payment: staff say what the provider's books have of a conflicted one, in minor units
    payment: str
    attempt: str
    captured: int
    refunded: int
    charged_back: int  # less what issuers have returned
    currency: str
    is_held: bool  # is there an authorisation of which more may be captured?
    seen: str  # where everything stood, as staff saw it
    by: str
    lacks: list[str] = []  # references of done operations that the provider does not have


class AnnouncePayment(Body, frozen=True):  # checkout.announce_payment: it was moved outside a saga
    payment: str


class ApplyProviderEvent(
    Body, frozen=True, omit_defaults=True
):  # checkout.apply_provider_event: what a notification says, already matched and written down
    payment: str
    attempt: str
    kind: str
    minor: int | None = None
    currency: str = ""
    operation: str = ""  # the one of ours that it is about, where it says so
    event_id: str = ""  # the same each time the provider repeats the statement
    is_proven: bool = True  # else a hint: a reason to ask the provider, and nothing more


class PaymentTold(Body, frozen=True):
    """The answer to those who wait: where the payment stands now."""

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


class CancelOrder(Body, frozen=True):  # orders.cancel; what was sold is given back, for good
    payment: str


class ReleaseStock(Body, frozen=True):  # orders.release; what a later attempt reserved stays reserved
    payment: str
    attempt: str = ""


# payments: talks to the providers


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
):  # payments.abandon: release whatever the provider may hold for an attempt that nobody completes
    payment: str
    attempt: str


class InquirePayment(Body, frozen=True):  # payments.inquire
    payment: str
    attempt: str


class CheckClaim(
    Body, frozen=True, omit_defaults=True
):  # payments.check_claim: a notification says what we know nothing of; does the provider say so too?
    payment: str
    attempt: str
    claim: str
    operation: str = ""  # the one that it names, of which we believe the opposite
    minor: int | None = None  # of a charge-back or its reversal: the amount notified, where it was told
    currency: str = ""
    event_id: str = ""  # what makes booking it twice harmless
    is_proven: bool = True  # an amount that anybody may have sent is not booked


class ReviewAttempt(Body, frozen=True):  # payments.review: do the provider and we agree by now?
    payment: str
    attempt: str


class AttemptReviewed(Body, frozen=True):
    """``outcome`` is ``held`` or ``released`` where we agree, ``stands`` where we do not, and ``unknown``
    without an answer.
    """

    outcome: Annotated[str, _one_of("held", "released", "stands", "unknown")]


class InquireOperation(Body, frozen=True):  # payments.inquire_operation
    payment: str
    attempt: str
    operation: str


class ApplyNotification(
    Body, frozen=True
):  # payments.apply_notification: a stored notification is to be matched
    notification: int


class ProviderAnswered(Body, frozen=True):
    """The result of a provider call: ``outcome`` as in ``providers.base.Outcome``, ``conflicted``,
    ``not_shown`` (the provider's answer shows that an operation never arrived) or ``undecided`` (the provider
    answered, and its answer does not tell whether the operation arrived).

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
    """``outcome`` is ``confirmed``, ``denied`` or ``unknown``; ``event`` is the provider's own word.

    A charge-back or its reversal is ``booked`` when the provider confirms it, or ``unclear`` when it cannot
    be booked without guessing: ``why`` tells staff the reason. An answer of the
    provider that neither confirms nor denies the claim makes it ``undecided``.
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


class SendReceipt(Body, frozen=True):  # notifications.send_receipt
    payment: str


class Done(Body, frozen=True):
    """A plain yes."""


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
    """Raise MalformedMessage unless ``result`` is an answer to ``type`` as the contract has it."""
    try:
        msgspec.convert(result, ANSWERS[type])
    except msgspec.ValidationError as error:
        raise MalformedMessage(f"not an answer to {type}: {error}") from error
