"""The stock for sale, for programs that do not read the tables of the orders service."""

from dataclasses import dataclass

from checkout.money import Money
from checkout.orders.models import StockItem
from messaging.compiled_queries import Compiled


@dataclass(frozen=True, slots=True)
class ForSale:
    """An item of the shop, and the quantity left."""

    sku: str
    name: str
    price: Money
    left: int


def items_of(merchant: str) -> list[ForSale]:
    """Return a merchant's items in the order of their SKU, including sold-out items."""
    return [_for_sale(item) for item in _OF_MERCHANT.all(merchant)]


def item_left(merchant: str, sku: str) -> ForSale | None:
    """Return a merchant's item; None if it does not exist or is sold out."""
    item = _BY_SKU.first(merchant, sku)
    return None if item is None or not item.quantity else _for_sale(item)


_OF_MERCHANT = Compiled(lambda merchant: StockItem.objects.filter(merchant_code=merchant))
_BY_SKU = Compiled(lambda merchant, sku: StockItem.objects.filter(merchant_code=merchant, sku=sku))


def _for_sale(item: StockItem) -> ForSale:
    return ForSale(item.sku, item.name, Money(item.price_minor, item.currency), item.quantity)
