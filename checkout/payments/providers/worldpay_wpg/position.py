"""Read the position of an order's money from the ``balance`` elements of its ``payment``.

Worldpay keeps an order's money on accounts: IN_PROCESS_AUTHORISED until it is captured, IN_PROCESS_CAPTURED
until it is refunded or settled (activemerchant, worldpay_test.rb: inquiries with a balance). Many replies
have none. The balances do not show the origin of settled and disputed money.
"""

from checkout.money import Money
from checkout.payments.providers.base import EventKind, Outcome, Position
from checkout.payments.providers.worldpay_wpg.elements import PaymentElement
from checkout.payments.providers.worldpay_wpg.envelope import UnreadableMessage

AUTHORISED = "IN_PROCESS_AUTHORISED"
CAPTURED = "IN_PROCESS_CAPTURED"
# The balance, even if zero, that a reply must contain before its sums are believed, by the last event.
REQUIRED = {
    "AUTHORISED": AUTHORISED,
    "CAPTURED": CAPTURED,
    "PARTIAL_CAPTURED": CAPTURED,
    "SENT_FOR_REFUND": CAPTURED,
    "REFUNDED": CAPTURED,
    "REFUND_FAILED": CAPTURED,
}
_CAPTURES = (EventKind.CAPTURED,)
_REFUNDS = (EventKind.REFUND_SENT, EventKind.REFUNDED)


def position_of(payment: PaymentElement, outcome: Outcome, kind: EventKind) -> Position | None:
    """Return the order's position, or None if the message leaves it open.

    A position needs an explicit balance: the name of an event says what happened last, and not how much. If
    there is a balance of IN_PROCESS_CAPTURED, a missing account IN_PROCESS_AUTHORISED counts as empty;
    callers compare ``captured`` with their own captures before they believe ``refunded``. The result is None
    for any other account, another currency, two balances of one account, and negative sums. It is also None
    if the sums do not include the last event: published examples of SENT_FOR_REFUND and REFUNDED have
    balances from before the refund. An order that was refused or cancelled holds nothing, unless a balance
    says otherwise.
    """
    amount = payment.amount
    if amount is None:
        return None
    nothing = Money(0, amount.currency)
    try:
        balances = payment.balances
    except UnreadableMessage:
        return None
    if outcome == Outcome.REFUSED and kind != EventKind.OTHER:
        is_empty = not any(balance.minor for balance in balances.values())
        return Position(authorised=nothing, captured=nothing, refunded=nothing) if is_empty else None
    if REQUIRED.get(payment.event) not in balances or not balances.keys() <= {AUTHORISED, CAPTURED}:
        return None
    if any(balance.currency != amount.currency or balance < nothing for balance in balances.values()):
        return None
    captured = amount - balances.get(AUTHORISED, nothing)
    refunded = captured - balances.get(CAPTURED, nothing)
    if captured < nothing or refunded < nothing:
        return None
    if (kind in _CAPTURES and captured == nothing) or (kind in _REFUNDS and refunded == nothing):
        return None
    return Position(authorised=amount, captured=captured, refunded=refunded)
