"""I13: a card is saved only if the shopper wants it, for one customer, and is not charged once removed.

The provider does not keep the token of a removed card, unless the same card was saved again.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from checkout.payments.providers.base import Authorisation

if TYPE_CHECKING:
    from tests.simulation.invariants import Ledgers
    from tests.simulation.world import World

CHARGES = """
CREATE TEMP TRIGGER charge_begins AFTER INSERT ON main.payments_providercall WHEN new.verb = 'authorise'
BEGIN SELECT charge_begins(a.order_code, c.reference)
    FROM payments_attempt a JOIN payments_savedcard c ON c.id = a.saved_card_id WHERE a.id = new.attempt_id;
END;
"""


class CardWatch:
    """A check of the requests that ask the provider to save a card, or to charge a saved one."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._customers: dict[str, str] = {}
        self._too_late: set[str] = set()

    def charge_begins(self, order_code: str, card: str) -> None:
        """Note the intent of a charge, which must not be sent if the card's removal was confirmed before."""
        if card in self._world.program.removed:
            self._too_late.add(order_code)

    def asked_to_authorise(self, request: Authorisation) -> None:
        """Check a request that has arrived at the provider."""
        code, violations = request.order_code, self._world.violations
        if request.saves_for:
            if code not in self._world.ticked:
                violations.append(f"I13: the card of {code} was to be kept, and its shopper did not ask")
            self._customers.setdefault(request.saves_for, self._customer(code))
        if request.stored_card is not None:
            if code in self._too_late:
                violations.append(f"I13: {code} was charged to a card whose removal was confirmed before")
            owner = self._customers.get(request.stored_card.shopper)
            if owner != self._customer(code):
                violations.append(f"I13: {code} of {self._customer(code)} was charged to a card of {owner}")

    def _customer(self, order_code: str) -> str:
        ((customer,),) = self._world.rows.execute(
            "SELECT m.code || ' ' || p.customer_reference FROM payments_attempt a "
            "JOIN payments_payment p ON p.id = a.payment_id JOIN payments_merchant m ON m.id = p.merchant_id "
            "WHERE a.order_code = ?",
            (order_code,),
        )
        return str(customer)


def check(world: "World", books: "Ledgers") -> Iterator[str]:
    """Yield cards that were saved without being asked, have the wrong owner, or outlived their removal."""
    asked = {books.payment_of.get(code, "") for code in world.ticked}
    for card, payment, state, token, merchant, customer, of_merchant, of_customer in books.rows(
        "SELECT c.reference, p.reference, c.state, c.sealed_token, c.merchant_id, c.customer_reference, "
        "p.merchant_id, p.customer_reference "
        "FROM payments_savedcard c JOIN payments_payment p ON p.id = c.payment_id"
    ):
        if payment not in asked:
            yield f"I13: {card} was saved with {payment}, whose shopper did not ask"
        is_erased = payment in world.program.forgotten
        if (merchant, customer) != (of_merchant, of_customer):
            yield f"I13: {card} is of {customer!r}, and {payment} of {of_customer!r}"
        if (card in world.program.removed or is_erased) and (state, token) != ("removed", ""):
            yield f"I13: {card} was removed, and is {state}"
        if is_erased and customer:
            yield f"I13: {card} names {customer}, and {payment} was erased"
    yield from _tokens_are_deleted(world, books)
    for payment, order in books.rows("SELECT reference, order_reference FROM payments_payment"):
        if order in world.program.turned_away:
            yield f"I13: {payment} exists, and its charge was refused"
    for code, ours, theirs in books.rows(
        "SELECT a.order_code, p.customer_reference, c.customer_reference FROM payments_attempt a "
        "JOIN payments_payment p ON p.id = a.payment_id JOIN payments_savedcard c ON c.id = a.saved_card_id "
        "WHERE p.customer_reference <> '' AND c.customer_reference <> '' "
        "AND (p.customer_reference, p.merchant_id) <> (c.customer_reference, c.merchant_id)"
    ):
        yield f"I13: {code} of {ours} was charged to the card of {theirs}"


def _tokens_are_deleted(world: "World", books: "Ledgers") -> Iterator[str]:
    """Yield removed cards whose token the provider still has, and active cards whose token it has deleted.

    The token of a card is that of the order with which it was saved last. A token is left out if the provider
    was asked to keep the same card after the removal, and the gateway got no card from that: nobody knows of
    that token.
    """
    tokens, seconds = world.bank.tokens, world.clock.seconds_until
    authorised = books.rows("SELECT order_code FROM payments_attempt WHERE state = 'authorised'")
    orders = [books.all_orders[code] for (code,) in authorised if code in books.all_orders]
    of_payment = {books.payment_of[order.order_code]: order.token for order in orders if order.token}
    cards = books.rows(
        "SELECT c.reference, p.reference, c.state, c.removed_at || '', c.token_to_delete, c.deletion_due_at "
        "FROM payments_savedcard c JOIN payments_payment p ON p.id = c.payment_id"
    )
    used = {of_payment.get(payment) for _, payment, state, *_ in cards if state == "active"}
    for card, payment, state, removed_at, owed, due in cards:
        token = of_payment.get(payment, "")
        if owed or due:
            yield f"I13: the token of {card} is still to be deleted, at {due}"
        kept_at = tokens.kept_at.get(token, 0)
        if state == "active" and tokens.deleted_at.get(token, -1) >= kept_at:
            yield f"I13: {card} is active, and its token was deleted"
        is_there = token not in used and token in world.bank.books.tokens
        if state == "removed" and is_there and kept_at <= (seconds(removed_at) or 0):
            yield f"I13: {card} was removed, and the provider keeps its token"
