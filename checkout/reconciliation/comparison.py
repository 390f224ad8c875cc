"""The comparison of a payment in our books with the provider's: its orders, and its ledger entries."""

from collections.abc import Collection, Iterator, Mapping, Sequence

from checkout.payments.books.compare_sums import (
    AttemptSums,
    Compared,
    Untold,
    compare_position,
    refunded_as_ours,
    untold_sums,
)
from checkout.payments.models import Difference
from checkout.payments.providers.base import Position, WholePosition
from checkout.reconciliation.our_books import OurBooks

Kind = Difference.Kind


def compare(
    ours: OurBooks, theirs: Mapping[str, Position | None], disputed: Collection[str] = ()
) -> list[Compared]:
    """Compare a payment's sums with the provider's, to the minor unit or, for open operations, within bounds.

    ``theirs`` has the provider's sums by order code. ``disputed`` are the codes of the orders whose last
    event is a charge-back. Our ledger is compared as well: with the provider's sums if all are told and
    certain, otherwise with our operations.
    """
    compared: list[Compared] = []
    for order_code, sums in ours.attempts.items():
        position = theirs[order_code] or Position()
        is_disputed = order_code in disputed
        compared += compare_position(order_code, ours.currency, sums, position, is_disputed=is_disputed)
    compared += _ledger(ours, [theirs[order_code] for order_code in ours.attempts])
    return compared


def untold(ours: OurBooks, theirs: Mapping[str, Position | None]) -> list[Untold]:
    """Return those of our sums that the provider's answers in ``theirs`` do not contain."""
    return [
        each
        for order_code, sums in ours.attempts.items()
        for each in untold_sums(order_code, sums, theirs[order_code] or Position())
    ]


def compare_answer(order_code: str, currency: str, *, is_understood: bool) -> Compared:
    """Return the result that records an order as unanswered, or as answered again if it ``is_understood``."""
    return Compared(order_code, Kind.UNANSWERED, currency, 0, 0, is_understood)


def _ledger(ours: OurBooks, positions: Sequence[Position | None]) -> Iterator[Compared]:
    """Compare the ledger's sums, which are of the whole payment. They are reported with the first attempt.

    The first attempt remains the same when the shopper tries again.
    """
    first = next(iter(ours.attempts))
    told = [
        each
        for each in positions
        if isinstance(each, WholePosition) and each.captured.currency == ours.currency
    ]
    are_certain = all(_are_certain(sums) for sums in ours.attempts.values())
    captured, refunded = ours.operations.captured, ours.operations.refunded
    charged_back = ours.operations.charged_back
    if ours.is_whole and are_certain and len(told) == len(positions):
        captured = sum(each.captured.minor for each in told)
        by_attempt = zip(told, ours.attempts.values(), strict=True)
        refunded = sum(refunded_as_ours(each, sums) for each, sums in by_attempt)
        disputed = [each.charged_back.minor for each in told if each.charged_back is not None]
        charged_back = sum(disputed) if len(disputed) == len(told) else charged_back
    expected = {
        Kind.LEDGER_CAPTURED: captured,
        Kind.LEDGER_REFUNDED: refunded,
        Kind.LEDGER_CHARGED_BACK: charged_back,
    }
    if not ours.has_open_operations:
        expected[Kind.LEDGER_IN_PROCESS] = 0
    for kind, theirs in expected.items():
        yield _ledger_sum(first, kind, ours, theirs)


def _ledger_sum(order_code: str, kind: Difference.Kind, ours: OurBooks, theirs: int) -> Compared:
    """Compare one sum of the ledger.

    If it agrees, report a sum in another currency, which should not exist.
    """
    name = kind.removeprefix("ledger_")
    sums = {currency: int(getattr(balances, name)) for currency, balances in ours.ledger.items()}
    own = sums.pop(ours.currency, 0)
    others = sorted((currency, minor) for currency, minor in sums.items() if minor)
    if own == theirs and others:
        return _sum(order_code, kind, *others[0], 0)
    return _sum(order_code, kind, ours.currency, own, theirs)


def _are_certain(sums: AttemptSums) -> bool:
    return all(sum.least == sum.most for sum in (sums.captured, sums.refunded))


def _sum(order_code: str, kind: Difference.Kind, currency: str, ours: int, theirs: int) -> Compared:
    return Compared(order_code, kind, currency, ours, theirs, agrees=ours == theirs)
