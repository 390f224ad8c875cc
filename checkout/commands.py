"""What services ask of each other and answer: the bodies of commands and replies.

A command's type on the wire is in its comment. All are frozen and strict: an unknown field is an error,
so that a sender with another idea of the contract is noticed at once. ``payment`` is a payment's reference,
``attempt`` an attempt's order code. Amounts are integer minor units with their ISO 4217 currency.
"""

import msgspec


class Body(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Common behaviour of all bodies."""


# checkout: the orchestrator


class SubmitPayment(Body):  # checkout.submit_payment
    payment: str
    attempt: str


class CompleteChallenge(Body):  # checkout.complete_challenge
    payment: str
    attempt: str


class AwaitPayment(Body):  # checkout.await_payment: answer me as well when there is something to tell
    payment: str


class PassDeadline(Body):  # checkout.pass_deadline: a step took too long
    saga: int
    version: int


class ApplyProviderEvent(Body):  # checkout.apply_provider_event: what a notification says, already matched
    payment: str
    attempt: str
    kind: str
    minor: int | None = None
    currency: str = ""


class PaymentTold(Body):
    """The answer to whoever waits: where the payment stands now."""

    payment: str
    state: str


# risk


class AssessRisk(Body):  # risk.assess
    payment: str
    minor: int
    currency: str
    email: str = ""
    ip_address: str = ""


class RiskAssessed(Body):
    decision: str  # "accept" or "reject"
    reasons: list[str] = []


# orders


class OrderLine(Body):
    sku: str
    quantity: int


class ReserveStock(Body):  # orders.reserve
    payment: str
    lines: list[OrderLine]


class StockReserved(Body):
    reserved: bool
    missing: list[str] = []


class ConfirmOrder(Body):  # orders.confirm
    payment: str


class ReleaseStock(Body):  # orders.release
    payment: str


# payments: talks to the providers


class AuthorisePayment(Body):  # payments.authorise; the card travels sealed in the envelope
    payment: str
    attempt: str


class CompleteAuthentication(Body):  # payments.complete_challenge
    payment: str
    attempt: str


class CapturePayment(Body):  # payments.capture
    payment: str
    attempt: str
    operation: str
    minor: int
    currency: str


class VoidPayment(Body):  # payments.void
    payment: str
    attempt: str
    operation: str


class RefundPayment(Body):  # payments.refund
    payment: str
    attempt: str
    operation: str
    minor: int
    currency: str


class InquirePayment(Body):  # payments.inquire
    payment: str
    attempt: str


class ApplyNotification(Body):  # payments.apply_notification: a stored notification is to be matched
    notification: int


class ProviderAnswered(Body):
    """What came of a provider call: ``outcome`` as in ``providers.base.Outcome``, or ``conflicted``.

    ``event`` is the provider's own word, ``refusal_reason`` ours.
    """

    outcome: str
    event: str = ""
    refusal_reason: str = ""


# ledger


class PostEntries(Body):  # ledger.post; kind: capture_requested, captured, refunded, reversal
    payment: str
    kind: str
    reference: str
    minor: int
    currency: str


# notifications


class SendReceipt(Body):  # notifications.send_receipt
    payment: str


class Done(Body):
    """A plain yes."""
