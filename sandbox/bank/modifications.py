"""Modifications of an authorised order: captures, refunds, cancellation."""

from dataclasses import dataclass

from sandbox.bank.acquirer import Acquirer
from sandbox.bank.bookings import Bookings
from sandbox.books.books import Books, Kind
from sandbox.books.orders import Order
from sandbox.errors import RequestRefused
from sandbox.notifications.outgoing import Outgoing


@dataclass(frozen=True, slots=True)
class Amount:
    """An amount of money. `value` is in minor units, `exponent` the number of decimals."""

    value: int
    currency: str
    exponent: int


class Modifications:
    """The modifications of orders. Every verb runs inside the caller's transaction."""

    def __init__(
        self,
        acquirer: Acquirer,
        books: Books,
        bookings: Bookings,
        outgoing: Outgoing,
    ) -> None:
        self._acquirer = acquirer
        self._books = books
        self._bookings = bookings
        self._outgoing = outgoing

    def capture(self, order_code: str, amount: Amount, reference: str) -> None:
        """Request a capture. Raises RequestRefused (5): unknown, not authorised, other currency, too much."""
        order = self._acquirer.order(order_code)
        if not order.is_held or order.released:
            raise RequestRefused(5, f"Cannot capture an order in state {order.last_event}", order_code)
        self._request(order, Kind.CAPTURE_REQUESTED, amount, reference, order.left_to_capture)

    def refund(self, order_code: str, amount: Amount, reference: str) -> None:
        """Request a refund. Raises RequestRefused (5): unknown, not captured, other currency, or too much."""
        order = self._acquirer.order(order_code)
        if not order.captured:
            raise RequestRefused(5, f"Cannot refund an order in state {order.last_event}", order_code)
        self._request(order, Kind.REFUND_REQUESTED, amount, reference, order.left_to_refund)

    def cancel(self, order_code: str) -> None:
        """Cancel an order. Raises RequestRefused (5): unknown, not authorised, or a capture was requested."""
        order = self._acquirer.order(order_code)
        if not order.is_held or order.capture_requested:
            raise RequestRefused(5, f"Cannot cancel an order in state {order.last_event}", order_code)
        self._books.append(order_code, Kind.CANCELLED, amount=order.authorised)
        delay_seconds = self._acquirer.settle_seconds if "cancelled_booked" in order.traits else 0
        cancelled = self._acquirer.order(order_code)
        self._outgoing.announce(cancelled, "CANCELLED", order.authorised, delay_seconds=delay_seconds)

    def _request(self, order: Order, kind: Kind, amount: Amount, reference: str, left: int) -> None:
        verb = "capture" if kind == Kind.CAPTURE_REQUESTED else "refund"
        if (amount.currency, amount.exponent) != (order.currency, order.exponent):
            raise RequestRefused(
                5, f"Currency or exponent of the {verb} differs from the order's", order.code
            )
        if amount.value > left and "no_ceiling" not in order.traits:
            exceeds = f"Requested {verb} of {amount.value} exceeds the {left} available"
            raise RequestRefused(5, exceeds, order.code)
        self._bookings.request(order, kind, amount.value, reference)
