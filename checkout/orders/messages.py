"""The commands of the orders service, and their answers."""

from enum import StrEnum

from checkout.messages import Answer, Body, Command, Done

# The error code if a release is refused, because the order is confirmed and the stock is sold.
ORDER_CONFIRMED = "order_confirmed"


class OrderLine(Body, frozen=True):
    sku: str
    quantity: int


class Stock(StrEnum):
    """The result of a reservation: everything is reserved, or something is missing."""

    RESERVED = "reserved"
    MISSING = "missing"


class StockReserved(Answer, frozen=True):
    reserved: bool
    missing: list[str] = []

    @property
    def says(self) -> Stock:
        """The result of the reservation."""
        return Stock.RESERVED if self.reserved else Stock.MISSING


class ReserveStock(Command[StockReserved], frozen=True, forbid_unknown_fields=False):
    """Reserve everything in the order, or nothing."""

    to = "orders.reserve"
    is_open = True
    again = "nothing more is set aside; for an `attempt` that was released already, nothing at all"

    payment: str
    lines: list[OrderLine]
    attempt: str = ""
    merchant_code: str = ""
    order_reference: str = ""


class ConfirmOrder(Command[Done], frozen=True):
    """Mark the reserved stock as sold, because the payment is made."""

    to = "orders.confirm"
    again = "nothing changes"

    payment: str


class CancelOrder(Command[Done], frozen=True):
    """Cancel an order for good. Sold stock is returned."""

    to = "orders.cancel"
    again = "nothing changes; nothing is reserved, confirmed or released afterwards"

    payment: str


class ReleaseStock(Command[Done], frozen=True):
    """Undo a reservation. The reservation of a later attempt stays."""

    to = "orders.release"
    again = "nothing changes; the reservation of a later `attempt` stays"

    payment: str
    attempt: str = ""
