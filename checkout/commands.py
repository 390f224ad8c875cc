"""What services ask of each other and answer: the bodies of commands and replies.

A command's type on the wire is in its comment. All are frozen and strict: an unknown field is an error,
so that a sender with another idea of the contract is noticed at once. ``payment`` is a payment's reference,
``attempt`` an attempt's order code. Amounts are integer minor units with their ISO 4217 currency.
"""

import msgspec


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
):  # checkout.start_operation: a capture, void or refund that was asked for is to be carried out
    payment: str
    operation: str


class ReviewPayment(Body, frozen=True):  # checkout.review_payment: staff want a conflicted one settled
    payment: str


class ResumeSaga(Body, frozen=True):  # checkout.resume_saga: staff want a parked saga to go on
    saga: int
    version: int


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


class PaymentTold(Body, frozen=True):
    """The answer to whoever waits: where the payment stands now."""

    payment: str
    state: str


# risk


class AssessRisk(Body, frozen=True):  # risk.assess
    payment: str
    minor: int
    currency: str
    email: str = ""
    ip_address: str = ""


class RiskAssessed(Body, frozen=True):
    decision: str  # "accept" or "reject"
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


class ReviewAttempt(Body, frozen=True):  # payments.review: do the provider and we agree by now?
    payment: str
    attempt: str


class AttemptReviewed(Body, frozen=True):
    outcome: str  # "held" or "released" where we agree, "stands" where we do not, "unknown" without an answer


class InquireOperation(Body, frozen=True):  # payments.inquire_operation
    payment: str
    attempt: str
    operation: str


class ApplyNotification(
    Body, frozen=True
):  # payments.apply_notification: a stored notification is to be matched
    notification: int


class ProviderAnswered(Body, frozen=True):
    """What came of a provider call: ``outcome`` as in ``providers.base.Outcome``, ``conflicted``, or
    ``not_shown`` (an operation that should long have arrived is not in the provider's answer).

    ``event`` is the provider's own word, ``refusal_reason`` ours.
    """

    outcome: str
    event: str = ""
    refusal_reason: str = ""


class ClaimChecked(Body, frozen=True):
    """``outcome`` is ``confirmed``, ``denied`` or ``unknown``; ``event`` is the provider's own word."""

    outcome: str
    event: str = ""


# ledger


class PostEntries(Body, frozen=True):  # ledger.post
    """``kind``: capture_requested, captured, refunded, reversal or refund_returned."""

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
