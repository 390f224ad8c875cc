"""The commands of the checkout service, which is the orchestrator, and the replies to waiting callers."""

from enum import StrEnum
from typing import TypeAlias

from checkout.messages import Answer, Body, Command
from checkout.states import PaymentState


class PaymentStatusReply(Answer, frozen=True):
    """The reply to callers that wait for a payment: its present state."""

    payment: str
    state: PaymentState

    @property
    def says(self) -> PaymentState:
        """The state."""
        return self.state


class OperationNews(StrEnum):
    """The states of an operation about which the provider has answered."""

    PENDING = "pending"
    DONE = "done"
    REFUSED = "refused"


class OperationStatusReply(Answer, frozen=True):
    """The reply to callers that wait for a capture, void or refund: its present state."""

    payment: str
    operation: str
    state: OperationNews

    @property
    def says(self) -> OperationNews:
        """The state."""
        return self.state


class SubmitPayment(Command[PaymentStatusReply], frozen=True):
    """Start the purchase of an attempt that a shopper has committed. The card travels sealed."""

    to = "checkout.submit_payment"
    again = "joins the purchase that is under way"

    payment: str
    attempt: str


class CompleteChallenge(Command[PaymentStatusReply], frozen=True):
    """Continue a purchase, because the shopper has returned from the issuer."""

    to = "checkout.complete_challenge"
    again = "nothing changes; answered when there is a result"

    payment: str
    attempt: str


class CallOff(Command[PaymentStatusReply], frozen=True):
    """Cancel a purchase before its money is taken, because shopper, merchant or staff have called it off."""

    to = "checkout.call_off"
    again = "nothing changes; answered when there is a result"

    payment: str
    attempt: str


class AwaitPayment(Command[PaymentStatusReply], frozen=True):
    """Reply as soon as the payment has a state to report."""

    to = "checkout.await_payment"
    again = "nothing changes; answered when there is a result"

    payment: str


class AwaitOperation(Command[OperationStatusReply], frozen=True):
    """Reply as soon as the provider has answered about a capture, void or refund."""

    to = "checkout.await_operation"
    again = "nothing changes; answered when there is a result"

    payment: str
    operation: str


class PassDeadline(Command[None], frozen=True):
    """Handle a step that took too long."""

    to = "checkout.pass_deadline"
    again = "nothing changes if the saga has moved on"

    saga: int
    version: int


class StartOperation(Command[None], frozen=True):
    """Carry out a requested operation, or post one that an issuer has made."""

    to = "checkout.start_operation"
    again = "one saga per operation"

    payment: str
    operation: str


class ReviewPayment(Command[None], frozen=True):
    """Have the provider asked about a conflict that staff want to settle."""

    to = "checkout.review_payment"
    again = "the provider is asked again while the payment is conflicted"

    payment: str


class ResumeSaga(Command[None], frozen=True):
    """Let a parked saga continue, because staff want it or something happened to its order."""

    to = "checkout.resume_saga"
    again = "nothing changes if the saga has moved on"

    saga: int
    version: int


class Fate(StrEnum):
    """The finding of staff about the request of a capture, void or refund whose outcome is uncertain."""

    ARRIVED = "arrived"
    NOT_ARRIVED = "not_arrived"  # it is sent again; or booked back, if it is a refund in doubt
    GIVEN_UP = "given_up"  # never sent again


class OperationFound(Body, frozen=True, tag_field="about", tag="operation"):
    """The finding of staff about a capture, void or refund.

    An operation that is given up is refused at once in two cases: nothing of it can be at the provider, or
    its saga is parked and staff have looked there, and nothing has changed since. Otherwise the provider is
    asked until the outcome is certain.
    """

    operation: str
    fate: Fate


class ClaimFound(Body, frozen=True, tag_field="about", tag="claim", omit_defaults=True):
    """The finding of staff about the claim of a notification, whose ``saga`` is parked."""

    saga: int
    is_true: bool
    minor: int | None = None  # the amount to book for a true charge-back or reversal
    currency: str = ""


class FiguresFound(Body, frozen=True, tag_field="about", tag="figures", omit_defaults=True):
    """The figures of an attempt that staff have read in the provider's books, in minor units."""

    attempt: str
    captured: int
    refunded: int
    charged_back: int  # minus what issuers have returned
    currency: str
    is_held: bool  # True if more of the authorisation may be captured
    lacks: tuple[str, ...] = ()  # references of done operations that the provider does not have


Found: TypeAlias = OperationFound | ClaimFound | FiguresFound


class SettleBooks(Command[None], frozen=True):
    """Settle an open matter between the provider's books and ours, as staff have decided."""

    to = "checkout.settle_books"
    again = "only a fact is added"

    payment: str
    found: Found
    seen: str  # a digest of what staff knew; if more is known when it arrives, they have to decide again
    by: str


class AnnouncePayment(Command[None], frozen=True):
    """Announce a payment that was moved outside a saga."""

    to = "checkout.announce_payment"
    again = "announced again"

    payment: str


class ReviewOrder(Command[None], frozen=True):
    """Have staff decide about a payment's order if money came back after the order had been given up."""

    to = "checkout.review_order"
    again = "looked at again"

    payment: str


class ApplyProviderEvent(Command[None], frozen=True, omit_defaults=True):
    """Signal a notification's statement, already matched and recorded, to the sagas that it concerns."""

    to = "checkout.apply_provider_event"
    again = "signalled again, which sagas ignore once they have moved on"

    payment: str
    attempt: str
    kind: str
    minor: int | None = None
    currency: str = ""
    operation: str = ""  # our operation that the event names, if any
    event_id: str = ""  # the same each time the provider repeats the statement
    is_proven: bool = True  # if False, it is a hint: only a reason to query the provider
