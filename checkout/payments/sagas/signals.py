"""The signals that move sagas: events that are not replies to their commands."""

from dataclasses import dataclass
from enum import StrEnum


class Signal(StrEnum):
    """A signal to a saga. Most sagas ignore it, at most of their steps."""

    # The shopper came back from a challenge.
    CHALLENGE_RETURNED = "challenge_returned"
    # Shopper, merchant or staff do not want to wait for the challenge any longer.
    CALLED_OFF = "called_off"

    # The kinds of proven notifications about an attempt, and the attempt's becoming conflicted.
    AUTHORISED = "authorised"
    REFUSED = "refused"  # for an operation: it was settled as refused
    CAPTURED = "captured"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    CONFLICTED = "conflicted"
    OTHER = "other"  # any other kind, which no saga takes

    # An unproven notification, which anybody may have sent: only a reason to ask the provider.
    HINTED = "hinted"

    # A proven notification settled an operation (see also REFUSED), or reported that a refund failed.
    DONE = "done"
    DOUBTED = "doubted"

    # Staff decide that an operation has arrived, is to be sent again, or is missing at the provider.
    ARRIVED = "arrived"
    RESEND = "resend"
    WITHDRAWN = "withdrawn"  # it is never sent again, but may have arrived
    UNDONE = "undone"

    # Staff decide on the claim of a notification.
    CONFIRMED = "confirmed"
    DENIED = "denied"
    BOOKED = "booked"

    # A review, or a decision of staff, ended the conflict over the payment.
    REVIEW_HELD = "review_held"
    REVIEW_RELEASED = "review_released"
    REVIEW_CAPTURED = "review_captured"
    REVIEW_GIVEN_BACK = "review_given_back"  # it was taken, and all of it went back
    REVIEW_NOT_CAPTURED = "review_not_captured"  # sent after one of these: nothing was taken

    # The purchase's own attempt holds nothing, but another attempt has the payment's money, or may have it.
    HELD_ELSEWHERE = "held_elsewhere"

    # Money that had gone back came back after the order had been given up.
    MONEY_RETURNED = "money_returned"

    # The provider, or staff, have confirmed that the authorisation has expired.
    LAPSED = "lapsed"

    # Staff resume a parked saga, and all money of its payment has been given back.
    GIVEN_BACK = "given_back"

    @classmethod
    def of_event(cls, kind: str) -> "Signal":
        """Return the signal of a notified event; ``OTHER`` for a kind that no saga takes."""
        return next((each for each in HINTS if each == kind), Signal.OTHER)


class News(StrEnum):
    """The news of a capture, void or refund for the saga that started it.

    ``DELAYED`` means that its outcome is unknown, or that it was not sent yet.
    """

    ACCEPTED = "accepted"
    DELAYED = "delayed"
    DONE = "done"
    REFUSED = "refused"
    PARKED = "parked"


@dataclass(frozen=True, slots=True)
class ChildResult:
    """The news of a saga of this ``kind`` to the one that started it."""

    kind: str
    news: News


Heard = Signal | ChildResult

# The signals that may say how an open attempt has ended, or that it is conflicted.
HINTS = (
    Signal.AUTHORISED,
    Signal.REFUSED,
    Signal.CAPTURED,
    Signal.CANCELLED,
    Signal.EXPIRED,
    Signal.CONFLICTED,
)
