"""The commands of the orders service, and their answers."""

from checkout.messages import Body, Command, Done


class OrderLine(Body, frozen=True):
    sku: str
    quantity: int


class StockReserved(Body, frozen=True):
    reserved: bool
    missing: list[str] = []


class ReserveStock(Command[StockReserved], frozen=True):
    to = "orders.reserve"
    again = "nothing more is set aside; for an `attempt` that was released already, nothing at all"

    payment: str
    lines: list[OrderLine]
    attempt: str = ""


class ConfirmOrder(Command[Done], frozen=True):
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
