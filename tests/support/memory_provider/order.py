"""An order in the books of the in-memory provider: its sums, its last event, and its pending movements."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from django.utils import timezone

from checkout.money import Money
from checkout.payments.providers.base import EventKind, RefusalReason, WholePosition


class OrderState(StrEnum):
    """The states of an order's authorisation."""

    CHALLENGED = "challenged"
    PENDING = "pending"
    AUTHORISED = "authorised"
    REFUSED = "refused"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


ENDED = (OrderState.REFUSED, OrderState.CANCELLED, OrderState.EXPIRED)
# A provider sends the events that its merchant has selected, and few merchants select REFUND_SENT.
USUALLY_ANNOUNCED = frozenset(EventKind) - {EventKind.REFUND_SENT}


@dataclass(frozen=True, slots=True, kw_only=True)
class Manners:
    """The bank's behaviour towards one order. All of it is allowed by the documentation of providers.

    ``deduplicates``: a request with a known idempotency key gets the first answer and has no further effect;
    voids are never deduplicated. ``tells_position``: inquiries report the order's sums, not only its last
    event. ``tells_charge_backs``: those sums include charge-backs. ``checks_amounts``: captures beyond the
    authorised sum, and refunds beyond the captured sum, are refused. ``books_at_once``: accepted movements
    are booked at once; otherwise a caller uses ``Books.book``. ``releases_rest``: once a part is captured,
    the rest is released; like Worldpay, such a bank then reports only the sum that it has kept.
    ``names_authorisation``: answers about a captured order still name the authorisation as the last event, if
    they report sums. ``shows_refunds``: a refund that is accepted and not booked shows as the last event, and
    is announced. ``announces``: the events for which a notification is sent.
    """

    deduplicates: bool = True
    tells_position: bool = True
    tells_charge_backs: bool = True
    checks_amounts: bool = True
    books_at_once: bool = True
    releases_rest: bool = False
    names_authorisation: bool = False
    shows_refunds: bool = True
    announces: frozenset[EventKind] = USUALLY_ANNOUNCED


@dataclass(frozen=True, slots=True)
class Movement:
    """A capture or refund that the bank has accepted; ``kind`` is the event of its booking."""

    kind: EventKind
    reference: str
    amount: Money


@dataclass(slots=True)
class Order:
    """One order. ``after_challenge`` is its state after the challenge was answered.

    ``token`` is that of the card that was saved with the order. With ``captures``, the order is captured with
    its authorisation.

    Each event replaces the last one. However, a further capture does not change the last event, and neither
    does anything while a refund is pending. ``taken`` contains every capture and refund that was carried out,
    ``under_way`` those that are not booked yet. Assigning a sum counts as booking it.
    """

    order_code: str
    session_id: str
    amount: Money
    state: OrderState
    submitted_at: datetime = field(default_factory=timezone.now)
    after_challenge: OrderState = OrderState.AUTHORISED
    reason: RefusalReason | None = None
    manners: Manners = Manners()
    token: str = ""
    captures: bool = False
    last_event: EventKind = EventKind.AUTHORISED
    released: Money = field(init=False)
    taken: list[Movement] = field(default_factory=list)
    under_way: list[Movement] = field(default_factory=list)
    _captured: Money = field(init=False)
    _refunded: Money = field(init=False)
    _charged_back: Money = field(init=False)

    def __post_init__(self) -> None:
        self._captured = self._refunded = self._charged_back = Money(0, self.amount.currency)
        self.released = self._captured

    @property
    def kind(self) -> EventKind:
        """The kind of event that the last event was."""
        if self.state in ENDED:
            return EventKind(self.state.value)
        if self.state != OrderState.AUTHORISED:
            return EventKind.OTHER
        is_refund_sent = any(movement.kind == EventKind.REFUNDED for movement in self.under_way)
        is_shown = is_refund_sent and self.manners.shows_refunds
        return EventKind.REFUND_SENT if is_shown else self.last_event

    @property
    def captured(self) -> Money:
        """The sum that was captured and booked."""
        return self._captured

    @captured.setter
    def captured(self, amount: Money) -> None:
        if self.last_event == EventKind.AUTHORISED and amount.minor > self._captured.minor:
            self.last_event = EventKind.CAPTURED
        self._captured = amount
        if not amount.minor:
            self.last_event = EventKind.AUTHORISED

    @property
    def refunded(self) -> Money:
        """The sum that was refunded and booked, less refunds that came back."""
        return self._refunded

    @refunded.setter
    def refunded(self, amount: Money) -> None:
        if amount.minor and amount != self._refunded:
            self.last_event = EventKind.REFUNDED
        elif amount != self._refunded:
            self.last_event = EventKind.CAPTURED if self._captured.minor else EventKind.AUTHORISED
        self._refunded = amount

    @property
    def charged_back(self) -> Money:
        """The sum that issuers charged back, less reversals."""
        return self._charged_back

    @charged_back.setter
    def charged_back(self, amount: Money) -> None:
        if amount.minor > self._charged_back.minor:
            self.last_event = EventKind.CHARGED_BACK
        elif amount.minor < self._charged_back.minor:
            self.last_event = EventKind.CHARGE_BACK_REVERSED
        self._charged_back = amount

    @property
    def position(self) -> WholePosition | None:
        """The sums of the order's money; None if the bank reports only the last event, or the kept sum."""
        if not self.manners.tells_position or self._is_rest_unclear:
            return None
        minor = self.amount.minor if self.state == OrderState.AUTHORISED else 0
        return WholePosition(
            authorised=Money(minor, self.amount.currency),
            captured=self.captured,
            refunded=self.refunded,
            charged_back=self.charged_back if self.manners.tells_charge_backs else None,
        )

    @property
    def kept(self) -> Money | None:
        """The captured sum less refunds and charge-backs, if the bank reports no other sum."""
        is_told = self.manners.tells_position and self._is_rest_unclear
        return self._kept if is_told and self._kept.minor >= 0 else None

    @property
    def is_behind(self) -> bool:
        """Return True if answers name the authorisation as the last event, beside the sums of a capture."""
        is_told = self.position is not None or self.kept is not None
        return self.manners.names_authorisation and is_told and self.kind == EventKind.CAPTURED

    @property
    def _kept(self) -> Money:
        return self.captured - self.refunded - self.charged_back

    @property
    def _is_rest_unclear(self) -> bool:
        """Return True if the bank does not say whether a rest was released, or captured and given back."""
        if not self.manners.releases_rest or self.state != OrderState.AUTHORISED:
            return False
        is_held = self.captured + self.released < self.amount
        return not is_held and self._kept != self.amount

    def release_rest(self) -> Money:
        """Release the part of the authorisation for which no capture was requested, and return its amount."""
        rest = self.amount - self.asked_for(EventKind.CAPTURED) - self.released
        rest = max(rest, Money(0, rest.currency))
        self.released += rest
        return rest

    def asked_for(self, kind: EventKind) -> Money:
        """Return the sum of the booked and the pending movements of this kind."""
        booked = self.captured if kind == EventKind.CAPTURED else self.refunded
        waiting = (movement.amount for movement in self.under_way if movement.kind == kind)
        return sum(waiting, booked)

    def take(self, movement: Movement) -> bool:
        """Accept a capture or refund for booking.

        Return False if its amount is checked and too large, or if the rest was released.
        """
        limit = self.amount if movement.kind == EventKind.CAPTURED else self.captured
        if movement.kind == EventKind.CAPTURED and self.released.minor:
            return False
        if self.manners.checks_amounts and self.asked_for(movement.kind) + movement.amount > limit:
            return False
        self.taken.append(movement)
        self.under_way.append(movement)
        return True

    def cancel(self) -> bool:
        """Release the authorisation. Return False if a capture was booked, or accepted for booking."""
        if self.asked_for(EventKind.CAPTURED).minor:
            return False
        self.state = OrderState.CANCELLED
        return True

    def book(self, movement: Movement) -> None:
        """Book a pending movement."""
        self.under_way.remove(movement)
        if movement.kind == EventKind.CAPTURED:
            self.captured += movement.amount
        else:
            self.refunded += movement.amount

    def fail_refund(self, movement: Movement) -> None:
        """Let a refund fail, either before it is booked or because the issuer sent it back."""
        self.taken.remove(movement)
        if movement in self.under_way:
            self.under_way.remove(movement)
        else:
            self.refunded -= movement.amount
        self.last_event = EventKind.REFUND_FAILED

    def make_refund_after_all(self, movement: Movement) -> None:
        """Carry out a refund that had failed, even if others were made meanwhile."""
        self.taken.append(movement)
        self.refunded += movement.amount
