"""The stock for sale, for programs that do not read the tables of the orders service."""

from dataclasses import dataclass

from checkout.money import Money
from checkout.orders.models import StockItem
from messaging.compiled_queries import Compiled


@dataclass(frozen=True, slots=True)
class ForSale:
    """An item of the shop, and the number of pieces that are left."""

    sku: str
    name: str
    price: Money
    left: int


def all_items() -> list[ForSale]:
    """Return all items in the order of their sku, including items that are sold out."""
    return [_for_sale(item) for item in _ALL.all()]


def item_left(sku: str) -> ForSale | None:
    """Return the item; None if there is no such item, or if it is sold out."""
    item = _BY_SKU.first(sku)
    return None if item is None or not item.quantity else _for_sale(item)


_ALL = Compiled(lambda: StockItem.objects.all())
_BY_SKU = Compiled(lambda sku: StockItem.objects.filter(sku=sku))


def _for_sale(item: StockItem) -> ForSale:
    return ForSale(item.sku, item.name, Money(item.price_minor, item.currency), item.quantity)
