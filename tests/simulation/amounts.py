"""Invariant I5 for one order: our sums equal the bank's, in total for each kind and by reference."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING

from tests.simulation.post import PORTAL
from tests.support.claims import net_sums

if TYPE_CHECKING:
    from tests.simulation.invariants import Ledgers
    from tests.simulation.world import World

MADE_BY_US = ("capture", "refund")
# The beginnings of the reasons of operations that were adopted from the bank's books, which have no
# references of them.
ADOPTED = ("Found at", "Staff found")
# The bank made this capture with the authorisation, and has no reference for it.
INCLUDED = "with "


def check(world: "World", books: "Ledgers") -> Iterator[str]:
    """Yield the differences between our operations and the bank's books."""
    yield from _sums(world, books)
    yield from _amounts(world, books)


def _sums(world: "World", books: "Ledgers") -> Iterator[str]:
    """Compare the sums of captures, refunds and charge-backs. An order that staff gave up counts as zero."""
    done: dict[str, Counter[str]] = defaultdict(Counter)
    for code, kind, minor in books.rows(
        "SELECT a.order_code, o.kind, SUM(o.amount_minor) FROM payments_operation o "
        "JOIN payments_attempt a ON a.id = o.attempt_id WHERE o.state = 'done' GROUP BY 1, 2"
    ):
        done[code][kind] = minor
    for code in {**books.payment_of, **books.all_orders}:
        ours, theirs = net_sums(done[code]), world.bank.sums_of(code)
        if ours != theirs:
            yield f"I5: {code}: captured, refunded and charged back are {ours}, and {theirs} at the bank"


def _amounts(world: "World", books: "Ledgers") -> Iterator[str]:
    """Compare the amount of each capture and refund that is done for us, or booked by the bank.

    A movement of the same amount that somebody made in the portal cannot be told from ours. An operation that
    the bank booked with another amount must not be done; staff enter the booked amount instead.
    """
    booked = {
        movement.reference or f"{INCLUDED}{code}": movement.amount.minor
        for code, order in books.all_orders.items()
        if code not in world.bank.given_up
        for movement in order.taken
    }
    for reference, kind, minor, state, reason, code, included in books.rows(
        "SELECT o.reference, o.kind, o.amount_minor, o.state, o.reason, a.order_code, a.capture_reference "
        "FROM payments_operation o JOIN payments_attempt a ON a.id = o.attempt_id "
        f"WHERE o.kind IN {MADE_BY_US}"
    ):
        if code in world.bank.given_up or reason.startswith(ADOPTED):
            continue
        theirs = booked.pop(reference, None)
        if theirs is None and reference == included:
            theirs = booked.pop(f"{INCLUDED}{code}", None)
        if state == "done" and theirs is not None and theirs != minor:
            yield f"I5: {kind} {reference} of {minor} was booked as {theirs}"
        payment = books.payment_of[code]
        is_excused = reference in world.bank.other_amounts or payment in world.bank.used_portal
        if not is_excused and (state == "done") != (theirs is not None):
            yield f"I5: {kind} {reference} is {state}, and the bank has booked {theirs or 'nothing'} for it"
    for reference in booked:
        if not reference.startswith((PORTAL, INCLUDED)):
            yield f"I5: the bank has booked {reference}, which none of our operations asked for"
