"""The comparison itself: two sets of books in, every sum that was compared out. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from checkout.models import Difference
from checkout.money import Money
from checkout.providers.base import Position, ProviderResult
from checkout.reconciliation.our_books import OurBooks, Sums

Kind = Difference.Kind


@dataclass(frozen=True, slots=True)
class Compared:
    """One sum in both books, in minor units of ``currency``, and whether they agree."""

    order_code: str
    kind: Difference.Kind
    currency: str
    ours: int
    theirs: int
    agrees: bool


def compare(ours: OurBooks, theirs: Mapping[str, Position | None]) -> list[Compared]:
    """Compare to the minor unit. Orders whose position the provider does not tell are left out."""
    compared: list[Compared] = []
    for order_code, sums in ours.attempts.items():
        position = theirs[order_code]
        if position is not None:
            compared += _attempt(order_code, ours.currency, sums, position)
    positions = [position for position in theirs.values() if position is not None]
    are_all_told = ours.is_whole and len(positions) == len(ours.attempts)
    if are_all_told and all(position.captured.currency == ours.currency for position in positions):
        compared += _ledger(ours, positions)
    return compared


def compare_stranger(told: ProviderResult, *, is_known: bool = False) -> Compared:
    """An order that only the provider knows: wrong as soon as there is money in it, or may be.

    ``is_known``: by now we know it, and it is compared as an attempt.
    """
    if told.position is not None:
        theirs = max(told.position.authorised, told.position.captured, key=lambda money: money.minor)
        agrees = theirs.minor == 0
    else:
        theirs, agrees = told.amount or Money(0, "XXX"), False
    return Compared(told.order_code, Kind.ORDER, theirs.currency, 0, theirs.minor, agrees or is_known)


def _attempt(order_code: str, currency: str, sums: Sums, position: Position) -> Iterator[Compared]:
    their_currency = position.authorised.currency
    is_same = their_currency == currency
    yield Compared(
        order_code, Kind.CURRENCY, their_currency, sums.authorised, position.authorised.minor, is_same
    )
    if is_same:
        yield _sum(order_code, Kind.AUTHORISED, currency, sums.authorised, position.authorised.minor)
        yield _sum(order_code, Kind.CAPTURED, currency, sums.captured, position.captured.minor)
        yield _sum(order_code, Kind.REFUNDED, currency, sums.refunded, position.refunded.minor)


def _ledger(ours: OurBooks, positions: list[Position]) -> Iterator[Compared]:
    """The ledger knows payments, not attempts: what it says stands with the last one."""
    last = list(ours.attempts)[-1]
    captured = sum(position.captured.minor for position in positions)
    refunded = sum(position.refunded.minor for position in positions)
    yield _sum(last, Kind.LEDGER_CAPTURED, ours.currency, ours.ledger.captured, captured)
    yield _sum(last, Kind.LEDGER_REFUNDED, ours.currency, ours.ledger.refunded, refunded)
    if not ours.has_open_operations:
        yield _sum(last, Kind.LEDGER_IN_PROCESS, ours.currency, ours.ledger.in_process, 0)


def _sum(order_code: str, kind: Difference.Kind, currency: str, ours: int, theirs: int) -> Compared:
    return Compared(order_code, kind, currency, ours, theirs, agrees=ours == theirs)
