"""The commands of the payments service, which calls the providers, and their answers."""

from enum import StrEnum

from checkout.messages import Answer, Command, LastDigits, Word


class ProviderOutcome(StrEnum):
    """The result of a provider call: the values of ``providers.base.Outcome``, and three more.

    ``NOT_SHOWN`` means that the provider's answer shows that an operation never arrived, ``UNDECIDED`` that
    it does not show whether the operation arrived, and ``CONFLICTED`` that it contradicts our records.
    """

    APPROVED = "approved"
    CHALLENGE_REQUIRED = "challenge_required"
    PENDING = "pending"
    REFUSED = "refused"
    NOT_SENT = "not_sent"
    NOT_FOUND = "not_found"
    NOT_ABLE = "not_able"
    UNKNOWN = "unknown"
    NOT_SHOWN = "not_shown"
    UNDECIDED = "undecided"
    CONFLICTED = "conflicted"


class ProviderAnswered(Answer, frozen=True):
    """The result of a provider call. ``event`` is the provider's own word, ``refusal_reason`` ours.

    ``why`` is the provider's sentence, for staff, if the request was not carried out and may be sent again.
    ``card_brand`` (our code) and ``card_last4`` tell the card of an attempt, for its receipt.
    """

    outcome: ProviderOutcome
    event: str = ""
    refusal_reason: Word = ""
    why: str = ""
    card_brand: Word = ""
    card_last4: LastDigits = ""

    @property
    def says(self) -> ProviderOutcome:
        """The outcome."""
        return self.outcome


class AuthorisePayment(Command[ProviderAnswered], frozen=True):
    """Authorise an attempt. The card travels sealed in the envelope."""

    to = "payments.authorise"
    again = "not sent a second time: answered with what is known"

    payment: str
    attempt: str


class CompleteAuthentication(Command[ProviderAnswered], frozen=True):
    """Send the second message of an authorisation, after the shopper's return from the challenge."""

    to = "payments.complete_challenge"
    again = "not sent a second time: answered with what is known"

    payment: str
    attempt: str


class InquirePayment(Command[ProviderAnswered], frozen=True):
    """Ask the provider for the outcome of an attempt."""

    to = "payments.inquire"
    again = "asks the provider again while the attempt is open"

    payment: str
    attempt: str


class AbandonPayment(Command[ProviderAnswered], frozen=True):
    """Release the money that may be held for an attempt that was not completed."""

    to = "payments.abandon"
    again = (
        "cancels again, with the same key while the answer is not known, and with another "
        "key once the challenge may have been completed"
    )

    payment: str
    attempt: str


class CapturePayment(Command[ProviderAnswered], frozen=True):
    """Take the money, or a part of it, that an attempt has authorised."""

    to = "payments.capture"
    again = "not sent a second time, unless it was never sent or is `not_shown`"

    payment: str
    attempt: str
    operation: str
    minor: int
    currency: str


class VoidPayment(Command[ProviderAnswered], frozen=True):
    """Release the money that an attempt has authorised."""

    to = "payments.void"
    again = "not sent a second time, unless it was never sent or is `not_shown`"

    payment: str
    attempt: str
    operation: str


class RefundPayment(Command[ProviderAnswered], frozen=True):
    """Give back money that was captured."""

    to = "payments.refund"
    again = "not sent a second time, unless it was never sent or is `not_shown`"

    payment: str
    attempt: str
    operation: str
    minor: int
    currency: str


class InquireOperation(Command[ProviderAnswered], frozen=True):
    """Ask the provider for the outcome of a capture, void or refund."""

    to = "payments.inquire_operation"
    again = "asks the provider again while the operation is open, or a refund is reported as failed"

    payment: str
    attempt: str
    operation: str


class ClaimOutcome(StrEnum):
    """The result of checking a claim.

    A charge-back or its reversal is ``BOOKED`` when the provider confirms it, or ``UNCLEAR`` if it cannot be
    booked without guessing. ``UNDECIDED`` means that the provider's answer neither confirms nor denies it.
    """

    CONFIRMED = "confirmed"
    DENIED = "denied"
    UNKNOWN = "unknown"
    BOOKED = "booked"
    UNCLEAR = "unclear"
    UNDECIDED = "undecided"


class ClaimChecked(Answer, frozen=True):
    """The result of a check. ``event`` is the provider's own word, ``why`` the reason, for staff."""

    outcome: ClaimOutcome
    event: str = ""
    why: str = ""

    @property
    def says(self) -> ClaimOutcome:
        """The outcome."""
        return self.outcome


class CheckClaim(Command[ClaimChecked], frozen=True, omit_defaults=True):
    """Ask if the provider confirms a notification that our records do not explain."""

    to = "payments.check_claim"
    again = "asks the provider again; an event that is booked is not booked again"

    payment: str
    attempt: str
    claim: str
    operation: str = ""  # the operation that the notification names, about which our records say the opposite
    minor: int | None = None  # the notified amount, if it has one
    currency: str = ""
    event_id: str = ""  # the id of a charge-back or reversal, which is booked once for each id
    is_proven: bool = True  # an unproven amount is not booked, because anybody may have sent it


class ReviewOutcome(StrEnum):
    """The result of a review.

    ``HELD`` or ``RELEASED`` if the provider and we agree, ``STANDS`` if the conflict remains, ``UNKNOWN``
    without an answer.
    """

    HELD = "held"
    RELEASED = "released"
    STANDS = "stands"
    UNKNOWN = "unknown"


class AttemptReviewed(Answer, frozen=True):
    outcome: ReviewOutcome

    @property
    def says(self) -> ReviewOutcome:
        """The outcome."""
        return self.outcome


class ReviewAttempt(Command[AttemptReviewed], frozen=True):
    """Ask if the provider and our records agree now."""

    to = "payments.review"
    again = "asks the provider again, with the same result"

    payment: str
    attempt: str


class DeleteToken(Command[None], frozen=True):
    """Delete the token of a removed card at the provider. The command does not contain the token.

    ``number`` counts the requests for this deletion, so that a late copy of the command does nothing.
    """

    to = "payments.delete_token"
    again = "not asked a second time; the deletion is asked for again by a command with the next `number`"

    card: str
    number: int


class ApplyNotification(Command[None], frozen=True):
    """Match a stored notification with its payment."""

    to = "payments.apply_notification"
    again = "a notification that was applied is not applied again"

    notification: int
