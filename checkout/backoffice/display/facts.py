"""Facts by which staff recognise a row before they act on it, as pairs of a label and a value."""

from collections.abc import Iterator

from checkout.backoffice.display.localised import day_text, money_text
from checkout.backoffice.display.values import badge
from checkout.money import Money
from checkout.payments.models import Merchant, Operation, Payment
from checkout.payments.totals import OPEN, sums_of

FactLine = tuple[str, object]

TEST = "(test: no money moves)"
REFUNDED_BEFORE = "(money was refunded before)"


def merchant_text(merchant: Merchant) -> str:
    """Return a merchant's name, with a note if its payments are tests."""
    return merchant.name if merchant.is_live else f"{merchant.name} {TEST}"


def merchant_of_code(code: str) -> str:
    """Return the name of the merchant with this code, for tables without a relation to merchants."""
    found = Merchant.objects.filter(code=code).first()
    return f"{code}: {merchant_text(found)}" if found else code


def order_facts(payment: Payment) -> Iterator[FactLine]:
    """Yield the order number and the merchant. Different merchants may use the same order number."""
    yield "Order", f"{payment.order_reference}: {payment.description}"
    yield "Merchant", merchant_text(payment.merchant)


def payment_facts(payment: Payment) -> Iterator[FactLine]:
    """Yield the order, its shopper, and the payment's amount and state."""
    yield from _order_of_shopper(payment)
    yield "Amount", _amount(payment)
    yield "State", badge(payment.state)


def money_facts(payment: Payment) -> Iterator[FactLine]:
    """Yield the order, the payment, and the sums captured, refunded and charged back so far."""
    yield from _order_of_shopper(payment)
    yield "Payment", f"{_amount(payment)}, {payment.reference}"
    sums, currency = sums_of(payment), payment.currency
    captures_open = sums.total(Operation.Kind.CAPTURE, *OPEN)
    refunds_open = sums.total(Operation.Kind.REFUND, *OPEN)
    yield "Captured so far", money_text(Money(sums.captured, currency))
    if captures_open:
        yield "Captures without an outcome yet", money_text(Money(captures_open, currency))
    refunded = money_text(Money(sums.refunded, currency))
    yield "Refunded so far", f"{refunded} {REFUNDED_BEFORE}" if sums.refunded else refunded
    if refunds_open:
        yield "Refunds without an outcome yet", money_text(Money(refunds_open, currency))
    if sums.charged_back:
        yield "Charged back so far", money_text(Money(sums.charged_back, currency))
    if sums.dispute_claimed:
        yield "Claimed by disputes, not booked", money_text(Money(sums.dispute_claimed, currency))


def _order_of_shopper(payment: Payment) -> Iterator[FactLine]:
    order, merchant = order_facts(payment)
    yield order
    if payment.shopper_email:
        yield "Shopper", payment.shopper_email
    yield merchant


def _amount(payment: Payment) -> str:
    return f"{money_text(payment.amount)} of {day_text(payment.created_at)}"
