"""What the in-memory provider's "bank" believes: orders, their money, and what it would notify."""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from django.utils import timezone

from checkout.money import Money
from checkout.providers.base import EventKind, Position, ProviderResult, RefusalReason


class OrderState(StrEnum):
    """Where an order's authorisation stands."""

    CHALLENGED = "challenged"
    PENDING = "pending"
    AUTHORISED = "authorised"
    REFUSED = "refused"
    CANCELLED = "cancelled"


@dataclass(slots=True)
class Order:
    """One order; ``after_challenge`` is where an answered challenge leads."""

    order_code: str
    session_id: str
    amount: Money
    state: OrderState
    submitted_at: datetime = field(default_factory=timezone.now)
    after_challenge: OrderState = OrderState.AUTHORISED
    reason: RefusalReason | None = None
    captured: Money = field(init=False)
    refunded: Money = field(init=False)

    def __post_init__(self) -> None:
        self.captured = self.refunded = Money(0, self.amount.currency)

    @property
    def kind(self) -> EventKind:
        """The last thing that happened, as a provider would put it."""
        if self.state == OrderState.AUTHORISED:
            if self.refunded.minor:
                return EventKind.REFUNDED
            return EventKind.CAPTURED if self.captured.minor else EventKind.AUTHORISED
        if self.state in (OrderState.REFUSED, OrderState.CANCELLED):
            return EventKind(self.state.value)
        return EventKind.OTHER

    @property
    def position(self) -> Position:
        """What of the order's money is authorised, captured and refunded."""
        minor = self.amount.minor if self.state == OrderState.AUTHORISED else 0
        authorised = Money(minor, self.amount.currency)
        return Position(authorised=authorised, captured=self.captured, refunded=self.refunded)


class Books:
    """All orders of one account, and the answers given so far by idempotency key."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answers: dict[str, ProviderResult] = {}
        self._notifications: list[bytes] = []
        self.orders: dict[str, Order] = {}

    def once(self, key: str, act: Callable[[], ProviderResult]) -> ProviderResult:
        """Return what ``act`` answered when ``key`` was first used; acts are never concurrent."""
        with self._lock:
            if key not in self._answers:
                self._answers[key] = act()
            return self._answers[key]

    def notify(self, merchant_code: str, order: Order, amount: Money, reference: str = "") -> None:
        """Put a notification of the order's last event in the post."""
        text = {
            "merchant_code": merchant_code,
            "order_code": order.order_code,
            "event": order.kind.upper(),
            "minor": amount.minor,
            "currency": amount.currency,
            "reference": reference,
            "number": len(self._notifications) + 1,
        }
        self._notifications.append(json.dumps(text).encode())

    def notifications(self) -> list[bytes]:
        """Return the body of every notification so far, oldest first."""
        return list(self._notifications)


_accounts: dict[str, Books] = {}


def books_of(account: str) -> Books:
    """Return the books of an account code in this process."""
    return _accounts.setdefault(account, Books())


def forget_books() -> None:
    """Start afresh: every account of this process has empty books."""
    _accounts.clear()
