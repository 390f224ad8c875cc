"""What a ``payment`` element says of the order's money, by its ``balance`` elements.

Worldpay keeps an order's money on accounts: IN_PROCESS_AUTHORISED until it is captured, IN_PROCESS_CAPTURED
until it is refunded or settled (activemerchant, worldpay_test.rb: inquiries with a balance). Of settled and
disputed money the balances do not tell where it came from, so then nothing is said.
"""

from checkout.money import Money
from checkout.providers.base import EventKind, Outcome, Position
from checkout.providers.worldpay_wpg.elements import PaymentElement
from checkout.providers.worldpay_wpg.envelope import UnreadableMessage

AUTHORISED = "IN_PROCESS_AUTHORISED"
CAPTURED = "IN_PROCESS_CAPTURED"
# Which balance must be there for the others to be counted on; an account that is empty is not mentioned.
EXPECTED = {
    "AUTHORISED": {AUTHORISED},
    "CAPTURED": {CAPTURED},
    "PARTIAL_CAPTURED": {CAPTURED},
    "SENT_FOR_REFUND": set[str](),
    "REFUNDED": set[str](),
    "REFUND_FAILED": {CAPTURED},
}


def position_of(payment: PaymentElement, outcome: Outcome, kind: EventKind) -> Position | None:
    """Return the order's position, or None where the message leaves it open."""
    amount = payment.amount
    if amount is None:
        return None
    nothing = Money(0, amount.currency)
    if outcome == Outcome.REFUSED and kind != EventKind.OTHER:
        return Position(authorised=nothing, captured=nothing, refunded=nothing)
    try:
        balances = payment.balances
    except UnreadableMessage:
        return None
    expected = EXPECTED.get(payment.event)
    if expected is None or not expected <= balances.keys() <= {AUTHORISED, CAPTURED}:
        return None
    if any(balance.currency != amount.currency for balance in balances.values()):
        return None
    captured = amount - balances.get(AUTHORISED, nothing)
    refunded = captured - balances.get(CAPTURED, nothing)
    if min(captured.minor, refunded.minor) < 0:
        return None
    return Position(authorised=amount, captured=captured, refunded=refunded)
