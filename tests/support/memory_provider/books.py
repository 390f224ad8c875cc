"""The books of the in-memory provider: an account's orders, its answers so far, and its notifications."""

import json
import threading
from collections.abc import Callable

from checkout.money import Money
from checkout.payments.providers.base import Authorisation, EventKind, ProviderResult
from checkout.payments.providers.saved_cards import IssuedToken
from tests.support.memory_provider.order import Manners, Movement, Order, OrderState
from tests.support.memory_provider.scenarios import Scenarios

__all__ = ["Books", "Manners", "Movement", "Order", "OrderState", "books_of", "forget_books"]


class Books:
    """All orders of one account, and its previous answers by idempotency key.

    ``manners_for`` returns the bank's behaviour towards a new order, by the order's code. ``tokens`` maps the
    tokens of saved cards to the texts that determine the result of a charge. ``issues`` is a token that a
    test chooses for every card that is saved. ``longest_list`` is the number of orders above which a list is
    refused as incomplete. ``scenarios`` has the answers that differ from the books.
    """

    manners_for: Callable[[str], Manners]

    def __init__(self) -> None:
        self.manners_for = lambda order_code: Manners()
        self._lock = threading.Lock()
        self._answers: dict[str, ProviderResult] = {}
        self._notifications: list[bytes] = []
        self.orders: dict[str, Order] = {}
        self.tokens: dict[str, str] = {}
        self.issues: IssuedToken | None = None
        self.longest_list: int | None = None
        self.scenarios = Scenarios()

    def token_for(self, request: Authorisation) -> str:
        """Keep a card for a customer, and return its token, which is the same every time."""
        token = f"token/{request.saves_for}/{request.sealed_card}"
        self.tokens.setdefault(token, request.sealed_card)
        return token

    def once(self, key: str, act: Callable[[], ProviderResult], *, of: str = "") -> ProviderResult:
        """Return the answer of ``act`` to the first use of ``key``. Acts are never concurrent.

        ``of`` is the code of the order concerned. If the order's bank does not deduplicate, ``act`` is called
        every time.
        """
        with self._lock:
            order = self.orders.get(of)
            if key not in self._answers or (order is not None and not order.manners.deduplicates):
                self._answers[key] = act()
            return self._answers[key]

    def forget_key(self, key: str) -> None:
        """Forget the answer to a key, as a provider does after some time."""
        with self._lock:
            self._answers.pop(key, None)

    def every_time(self, act: Callable[[], ProviderResult]) -> ProviderResult:
        """Return the answer of ``act``, which is called every time. Acts are never concurrent."""
        with self._lock:
            return act()

    def take(self, merchant_code: str, order: Order, movement: Movement) -> bool:
        """Accept a capture or refund, and book it at once if the order's manners say so.

        Return False if the amount is checked and too large.
        """
        if not order.take(movement):
            return False
        if movement.kind == EventKind.REFUNDED and order.manners.shows_refunds:
            self.notify(merchant_code, order, movement.amount, movement.reference, EventKind.REFUND_SENT)
        if order.manners.books_at_once:
            self.book(merchant_code, order, movement)
        return True

    def book(self, merchant_code: str, order: Order, movement: Movement) -> None:
        """Book an accepted movement, and send the notifications about it."""
        order.book(movement)
        if movement.kind == EventKind.REFUNDED and not order.manners.shows_refunds:
            self.notify(merchant_code, order, movement.amount, movement.reference, EventKind.REFUND_SENT)
        self.notify(merchant_code, order, movement.amount, movement.reference, movement.kind)
        if order.manners.releases_rest and movement.kind == EventKind.CAPTURED:
            rest = order.release_rest()
            if rest.minor > 0:
                self.notify(merchant_code, order, rest, event=EventKind.CANCELLED)

    def notify(
        self,
        merchant_code: str,
        order: Order,
        amount: Money | None,
        reference: str = "",
        event: EventKind | None = None,
    ) -> None:
        """Send a notification of an event (by default, of the order's last one) if the bank announces it."""
        event = event or order.kind
        if event in order.manners.announces:
            self.post(merchant_code, order, event, amount, reference)

    def post(
        self, merchant_code: str, order: Order, event: str, amount: Money | None, reference: str = ""
    ) -> None:
        """Add a notification with this content to those that were sent."""
        text = {
            "merchant_code": merchant_code,
            "order_code": order.order_code,
            "event": event.upper(),
            "minor": amount.minor if amount else None,
            "currency": amount.currency if amount else "",
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
    """Give every account of this process empty books."""
    _accounts.clear()
