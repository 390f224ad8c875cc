"""The orders service: it reserves stock for a payment, sells it if paid, and gives it back otherwise.

Stock belongs to a merchant: a payment takes from its own merchant's items only.

The payment's reservation is always locked first, and then the items in the order of their SKU, so that two
payments never deadlock.
"""

from collections import Counter
from collections.abc import Mapping

from checkout.messages import Done
from checkout.orders.messages import (
    ORDER_CONFIRMED,
    CancelOrder,
    ConfirmOrder,
    OrderLine,
    ReleaseStock,
    ReserveStock,
    StockReserved,
)
from checkout.orders.models import Reservation, StockItem
from checkout.service import Service
from messaging.compiled_queries import Compiled, insert_unless_known, update_in_batch
from messaging.worker.service import CommandRejected, Message, require_proof

service = Service("orders", admit=require_proof, records_last=True)


@service.handles(ReserveStock)
def reserve(command: ReserveStock, message: Message) -> StockReserved:
    """Reserve all lines or none. A repeated command for the same payment changes nothing.

    Released stock may be reserved again for a later attempt to pay. If the release of this attempt has
    arrived before this command, nothing is reserved, because nothing would release it again.
    """
    wanted = _quantities(command.lines)
    reservation = _locked_reservation(command.payment, attempt="")
    if reservation.state == Reservation.State.CANCELLED:
        return StockReserved(reserved=False)
    is_later = _number(command.attempt) > _number(reservation.attempt)
    if reservation.state != Reservation.State.RELEASED:
        if is_later:
            reservation.attempt = command.attempt
            update_in_batch(reservation, "attempt")
        return StockReserved(reserved=True)
    if reservation.attempt and not is_later:
        return StockReserved(reserved=False)
    stock = _locked_stock(command.merchant_code, wanted)
    missing = _missing(stock, wanted)
    if missing:
        return StockReserved(reserved=False, missing=missing)
    _take(stock, wanted)
    reservation.merchant_code = command.merchant_code
    reservation.lines = [{"sku": sku, "quantity": quantity} for sku, quantity in wanted.items()]
    reservation.state = Reservation.State.RESERVED
    reservation.attempt = command.attempt
    reservation.was_reserved = True
    update_in_batch(reservation, "merchant_code", "lines", "state", "attempt", "was_reserved")
    return StockReserved(reserved=True)


@service.handles(ConfirmOrder)
def confirm(command: ConfirmOrder, message: Message) -> Done:
    """Mark the reserved stock as sold, because the payment is made.

    If the release of an earlier attempt has given the stock back meanwhile, the stock is taken again if it is
    still available. An order without lines is reserved and released like any other.
    """
    reservation = _RESERVATION.first(command.payment)
    is_released = reservation is not None and reservation.state == Reservation.State.RELEASED
    if reservation is None or (is_released and not reservation.was_reserved):
        raise CommandRejected("not_reserved", "Nothing was reserved for this payment.")
    if reservation.state == Reservation.State.CANCELLED:
        raise CommandRejected("order_cancelled", "The order was cancelled, and its stock was given back.")
    if reservation.state == Reservation.State.RELEASED:
        wanted = _reserved(reservation)
        stock = _locked_stock(reservation.merchant_code, wanted)
        if _missing(stock, wanted):
            raise CommandRejected(
                "out_of_stock", "The reserved stock was given back, and has been sold since."
            )
        _take(stock, wanted)
    reservation.state = Reservation.State.CONFIRMED
    update_in_batch(reservation, "state")
    return Done()


@service.handles(ReleaseStock)
def release(command: ReleaseStock, message: Message) -> Done:
    """Give back the stock that is reserved for this attempt, if any. Sold stock is not given back.

    Stock that a later attempt has reserved stays reserved. If the release arrives before its reservation, it
    is recorded.
    """
    reservation = _locked_reservation(command.payment, attempt=command.attempt)
    is_earlier = _number(command.attempt) < _number(reservation.attempt)
    if is_earlier or reservation.state == Reservation.State.CANCELLED:
        return Done()
    if reservation.state == Reservation.State.CONFIRMED:
        raise CommandRejected(ORDER_CONFIRMED, "The order is confirmed, so its stock is not given back.")
    if reservation.state == Reservation.State.RESERVED:
        _give_back(reservation)
    reservation.state = Reservation.State.RELEASED
    # This attempt may be later than the one with the reservation, and its own reservation may still arrive.
    reservation.attempt = command.attempt
    update_in_batch(reservation, "state", "attempt")
    return Done()


@service.handles(CancelOrder)
def cancel(command: CancelOrder, message: Message) -> Done:
    """Cancel an order whose payment was undone. Reserved or sold stock is given back once.

    The cancellation is recorded, so that a confirmation that arrives later does not sell the stock again.
    """
    reservation = _locked_reservation(command.payment, attempt="")
    if reservation.state in (Reservation.State.RESERVED, Reservation.State.CONFIRMED):
        _give_back(reservation)
    reservation.state = Reservation.State.CANCELLED
    update_in_batch(reservation, "state")
    return Done()


def _locked_reservation(payment: str, *, attempt: str) -> Reservation:
    """Return the payment's reservation, locked. If there is none, insert an empty one for ``attempt``."""
    none = Reservation(payment_reference=payment, lines=[], state=Reservation.State.RELEASED, attempt=attempt)
    return none if insert_unless_known(none) else _RESERVATION.get(payment)


_RESERVATION = Compiled(
    lambda payment: Reservation.objects.select_for_update().filter(payment_reference=payment)
)
_STOCK = Compiled(
    lambda merchant, sku: StockItem.objects.select_for_update().filter(merchant_code=merchant, sku=sku)
)


def _number(attempt: str) -> int:
    """Return the number at the end of an attempt's order code; 0 if the code has none."""
    number = attempt.rpartition("-")[2]
    return int(number) if number.isdecimal() else 0


def _quantities(lines: list[OrderLine]) -> dict[str, int]:
    """Return the wanted quantity of each SKU, in the order of SKUs."""
    if any(line.quantity < 1 for line in lines):
        raise CommandRejected("invalid_quantity", "A quantity must be at least one.")
    total: Counter[str] = Counter()
    for line in lines:
        total[line.sku] += line.quantity
    return dict(sorted(total.items()))


def _reserved(reservation: Reservation) -> dict[str, int]:
    return {line["sku"]: line["quantity"] for line in reservation.lines}


def _missing(stock: Mapping[str, StockItem], wanted: Mapping[str, int]) -> list[str]:
    return [sku for sku, quantity in wanted.items() if sku not in stock or stock[sku].quantity < quantity]


def _locked_stock(merchant: str, skus: Mapping[str, int]) -> dict[str, StockItem]:
    return {item.sku: item for sku in sorted(skus) for item in _STOCK.all(merchant, sku)}


def _give_back(reservation: Reservation) -> None:
    """Return reserved items to the stock, except items that staff have deleted in the meantime."""
    reserved = _reserved(reservation)
    stock = _locked_stock(reservation.merchant_code, reserved)
    _take(stock, {sku: -reserved[sku] for sku in stock})


def _take(stock: Mapping[str, StockItem], quantities: Mapping[str, int]) -> None:
    for sku, quantity in quantities.items():
        stock[sku].quantity -= quantity
        update_in_batch(stock[sku], "quantity")
