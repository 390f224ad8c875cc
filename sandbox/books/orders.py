"""An order as computed from its entries."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sandbox.books.books import Entry, Kind
from sandbox.traits import Trait

COMMISSION_PER_MILLE = 20
LAST_EVENTS = {
    Kind.AUTHORISED: "AUTHORISED",
    Kind.REFUSED: "REFUSED",
    Kind.ERROR: "ERROR",
    Kind.CANCELLED: "CANCELLED",
    Kind.EXPIRED: "EXPIRED",
    Kind.CAPTURED: "CAPTURED",
    Kind.CAPTURE_FAILED: "CAPTURE_FAILED",
    Kind.SETTLED: "SETTLED",
    Kind.REFUND_REQUESTED: "SENT_FOR_REFUND",
    Kind.REFUNDED: "REFUNDED",
    Kind.REFUND_FAILED: "REFUND_FAILED",
    Kind.INFORMATION_REQUESTED: "INFORMATION_REQUESTED",
    Kind.CHARGED_BACK: "CHARGED_BACK",
    Kind.CHARGEBACK_REVERSED: "CHARGEBACK_REVERSED",
    Kind.DISPUTED_FUNDS_HELD: "DISPUTED_FUNDS_HELD",
    Kind.DISPUTED_FUNDS_RELEASED: "DISPUTED_FUNDS_RELEASED",
    Kind.DISPUTE_RESERVE_RELEASED: "DISPUTE_RESERVE_RELEASED",
    Kind.DISPUTE_EXPIRED: "DISPUTE_EXPIRED",
    # An event that the provider does not list, as if it were new.
    Kind.TELEPORTED: "TELEPORTED",
}


@dataclass(slots=True)
class Challenge:
    """One challenge. `decision` is empty until the shopper decides."""

    transaction_id: str
    acs_transaction_id: str
    payload: str
    issued_at: float
    return_url: str = ""
    merchant_data: str = ""
    decision: str = ""


@dataclass(slots=True)
class Order:
    """An order. Amounts are in minor units. `card` contains only brand, last4 and the masked number.

    `holder` is the card holder's name as it was sealed, and `email` the shopper's address; messages about the
    order repeat them. `token` has the details of the token that was made with the order. With `captures`, the
    sum is captured once it is authorised, without a request.

    `released` is the rest that the bank itself released after the capture of a part. `settled` is the
    captured sum that was settled, `commission` the bank's share of it. `charged_back` is the sum that
    cardholders took back, minus what they had to return. `refund_denied` is the sum of refunds that the bank
    reported as failed although it will make them.
    """

    code: str
    merchant_code: str
    currency: str
    exponent: int
    amount: int
    description: str
    session_id: str
    card: dict[str, Any]
    outcome: dict[str, Any]
    machine: str
    device_data: str
    window: str
    traits: list[Trait]
    holder: str = ""
    email: str = ""
    token: dict[str, Any] = field(default_factory=dict)
    captures: bool = False
    last_event: str = ""
    refusal_code: str = ""
    authentication: dict[str, str] = field(default_factory=dict)
    authorisation_id: str = ""
    authorised: int = 0
    cancelled: int = 0
    released: int = 0
    capture_requested: int = 0
    captured: int = 0
    refund_requested: int = 0
    refunded: int = 0
    settled: int = 0
    commission: int = 0
    refund_denied: int = 0
    charged_back: int = 0
    capture_references: list[str] = field(default_factory=list)
    challenges: list[Challenge] = field(default_factory=list)

    @property
    def in_challenge(self) -> bool:
        return bool(self.challenges) and not self.last_event

    @property
    def asks_for_old_authentication(self) -> bool:
        """Return True if the order waits for an authentication by 3-D Secure 1."""
        is_old = bool(self.outcome["three_ds"] and self.outcome["authentication"].get("is_old"))
        return is_old and not self.last_event

    @property
    def is_held(self) -> bool:
        """Return True if the authorisation was given and has not been cancelled."""
        return self.authorised > self.cancelled

    @property
    def left_to_capture(self) -> int:
        return self.authorised - self.cancelled - self.released - self.capture_requested

    @property
    def left_to_refund(self) -> int:
        """The captured sum for which there is neither a refund request nor a charge-back."""
        return self.captured - self.refund_requested - self.charged_back

    @property
    def told_event(self) -> str:
        """The last event in replies. With certain traits it lags behind the capture that balances show."""
        is_behind = "event_behind" in self.traits and "no_balance" not in self.traits
        return "AUTHORISED" if is_behind and self.last_event == "CAPTURED" else self.last_event

    @property
    def refunds_through_captured(self) -> bool:
        """Return True if refunds are booked from the settled account to that of captured money.

        The captured balance then grows by the refund, as in the provider's published example of REFUNDED.
        """
        return bool(self.settled) and "refund_through_captured" in self.traits

    @property
    def state(self) -> str:
        if self.last_event:
            return self.last_event.lower()
        return "challenged" if self.challenges else "submitted"

    def challenge(self, transaction_id: str) -> Challenge | None:
        return next((known for known in self.challenges if known.transaction_id == transaction_id), None)


def commission_of(amount: int) -> int:
    """Return the fee that the bank keeps when it settles a capture."""
    return amount * COMMISSION_PER_MILLE // 1000


def fold(entries: Sequence[Entry]) -> Order | None:
    """Return the order that results from its entries, oldest first; None without a submission."""
    if not entries:
        return None
    first = entries[0]
    order = Order(code=first.order_code, amount=first.amount, **first.detail)
    for entry in entries[1:]:
        _apply(order, entry)
    return order


def _apply(order: Order, entry: Entry) -> None:
    is_hidden = entry.kind == Kind.REFUND_REQUESTED and "booked_late" in order.traits
    if not is_hidden:
        order.last_event = LAST_EVENTS.get(entry.kind, order.last_event)
    match entry.kind:
        case Kind.CHALLENGED:
            order.machine = entry.detail["machine"]
            order.challenges.append(
                Challenge(
                    transaction_id=str(entry.transaction_id),
                    acs_transaction_id=entry.detail["acs_transaction_id"],
                    payload=entry.detail["payload"],
                    issued_at=entry.at,
                )
            )
        case Kind.CHALLENGE_OPENED | Kind.CHALLENGE_DECIDED:
            challenge = order.challenge(str(entry.transaction_id))
            if challenge is not None:
                for name, value in entry.detail.items():
                    setattr(challenge, name, value)
        case Kind.AUTHORISED:
            order.authorised += entry.amount
            order.authorisation_id = entry.detail["authorisation_id"]
            order.authentication = entry.detail["authentication"]
        case Kind.REFUSED:
            order.refusal_code = entry.detail["refusal_code"]
            order.authentication = entry.detail["authentication"]
        case Kind.CANCELLED | Kind.EXPIRED:
            order.cancelled += entry.amount
        case Kind.REST_RELEASED:
            order.released += entry.amount
        case Kind.CAPTURE_REQUESTED:
            order.capture_requested += entry.amount
        case Kind.CAPTURED:
            order.captured += entry.amount
            if entry.reference:
                order.capture_references.append(entry.reference)
        case Kind.CAPTURE_FAILED:
            order.capture_requested -= entry.amount
        case Kind.SETTLED:
            order.settled += entry.amount
            order.commission += commission_of(entry.amount)
        case Kind.REFUND_REQUESTED:
            order.refund_requested += entry.amount
        case Kind.REFUNDED:
            order.refunded += entry.amount
        case Kind.REFUND_FAILED:
            if entry.detail["is_final"]:
                order.refund_requested -= entry.amount
            else:
                # The refund will still be made, so its sum stays unavailable for other refunds.
                order.refund_denied += entry.amount
        case Kind.CHARGED_BACK:
            order.charged_back += entry.amount
        case Kind.CHARGEBACK_REVERSED:
            order.charged_back -= entry.amount
        case Kind.SUBMITTED | Kind.ERROR | Kind.INFORMATION_REQUESTED | Kind.LAPSED:
            pass
