"""The comparison itself: a pure function from two sets of books to every sum that was compared."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from checkout.money import Money
from checkout.payments.books.theirs import refunds_meant
from checkout.payments.models import Difference
from checkout.payments.models.reconciliation import UNKNOWN_CURRENCY
from checkout.payments.providers.base import Outcome, Position, ProviderResult, WholePosition
from checkout.reconciliation.our_books import AttemptSums, OurBooks, Range

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


@dataclass(frozen=True, slots=True)
class Untold:
    """One sum of ours that the provider does not tell. An earlier answer may have told it."""

    order_code: str
    kind: Difference.Kind
    ours: Range


def compare(
    ours: OurBooks, theirs: Mapping[str, Position | None], disputed: Collection[str] = ()
) -> list[Compared]:
    """Compare to the minor unit, or within bounds where operations are still open.

    Sums that the provider does not tell are left out, but for a charge-back of an order that is among the
    ``disputed`` ones and of which we have none: that differs, whatever its amount. Our ledger is compared in
    any case: with the provider's sums if all are told and certain, otherwise with our operations.
    """
    compared: list[Compared] = []
    for order_code, sums in ours.attempts.items():
        position = theirs[order_code] or Position()
        compared += _attempt(order_code, ours.currency, sums, position)
        if order_code in disputed and position.charged_back is None and not sums.charged_back:
            compared.append(Compared(order_code, Kind.CHARGED_BACK, UNKNOWN_CURRENCY, 0, 0, agrees=False))
    compared += _ledger(ours, [theirs[order_code] for order_code in ours.attempts])
    return compared


def untold(ours: OurBooks, theirs: Mapping[str, Position | None]) -> list[Untold]:
    """Return our sums of which ``theirs`` says nothing."""
    return [
        Untold(order_code, kind, mine)
        for order_code, sums in ours.attempts.items()
        for kind, mine, told in _by_kind(sums, theirs[order_code] or Position())
        if told is None
    ]


def _by_kind(
    sums: AttemptSums, position: Position
) -> tuple[tuple[Difference.Kind, Range, Money | None], ...]:
    """Return our sums and theirs. Those of refunds may have another meaning, see ``_refunded``."""
    return (
        (Kind.AUTHORISED, sums.authorised, position.authorised),
        (Kind.CAPTURED, sums.captured, position.captured),
        (Kind.REFUNDED, sums.refunded, position.refunded),
        (Kind.CHARGED_BACK, Range(sums.charged_back, sums.charged_back), position.charged_back),
    )


def compare_unknown_order(told: ProviderResult, *, is_known: bool = False) -> Compared:
    """Compare an order that only the provider knows. It differs if there is money in it, or may be.

    ``is_known`` says that we know the order by now, so that it is compared as an attempt instead.
    """
    if told.outcome == Outcome.NOT_FOUND:
        theirs, agrees = Money(0, UNKNOWN_CURRENCY), True
    elif told.position is not None and (told_sums := _told(told.position)):
        theirs = max(told_sums, key=lambda money: money.minor)
        agrees = isinstance(told.position, WholePosition) and _has_no_money(told.position)
    else:
        theirs = told.amount or Money(0, UNKNOWN_CURRENCY)
        agrees = told.kept is not None and told.kept.minor == 0
    return Compared(told.order_code, Kind.ORDER, theirs.currency, 0, theirs.minor, agrees or is_known)


def _told(position: Position) -> list[Money]:
    sums = (position.authorised, position.captured, position.refunded, position.charged_back)
    return [each for each in sums if each is not None]


def _has_no_money(position: WholePosition) -> bool:
    """Return True if nothing is held, and all that was captured has gone back.

    The rest of a capture counts as held: the position does not tell if it was released.
    """
    gone_back = position.refunded.minor + (position.charged_back.minor if position.charged_back else 0)
    return position.authorised.minor <= position.captured.minor <= gone_back


def compare_answer(order_code: str, currency: str, *, is_understood: bool) -> Compared:
    """Return the comparison that records an order as unanswered, or as no longer unanswered."""
    return Compared(order_code, Kind.UNANSWERED, currency, 0, 0, is_understood)


def _attempt(order_code: str, currency: str, sums: AttemptSums, position: Position) -> Iterator[Compared]:
    told_sums = _told(position)
    if not told_sums:
        return
    first = told_sums[0]
    is_same = first.currency == currency
    authorised = sums.authorised.nearest(first.minor)
    yield Compared(order_code, Kind.CURRENCY, first.currency, authorised, first.minor, is_same)
    for kind, mine, told in _by_kind(sums, position) if is_same else ():
        if told is not None:
            theirs = told.minor
            if kind == Kind.REFUNDED and isinstance(position, WholePosition):
                theirs = _refunded(position, sums)
            yield _within(order_code, kind, currency, mine, theirs)


def _ledger(ours: OurBooks, positions: Sequence[Position | None]) -> Iterator[Compared]:
    """Compare the ledger. Its sums are of the payment, so they are reported with the first attempt.

    The first one remains the same when the shopper tries again.
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
        refunded = sum(_refunded(each, sums) for each, sums in zip(told, ours.attempts.values(), strict=True))
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
    """Compare one sum of the ledger. If it agrees, none may be there in another currency."""
    name = kind.removeprefix("ledger_")
    sums = {currency: int(getattr(balances, name)) for currency, balances in ours.ledger.items()}
    own = sums.pop(ours.currency, 0)
    others = sorted((currency, minor) for currency, minor in sums.items() if minor)
    if own == theirs and others:
        return _sum(order_code, kind, *others[0], 0)
    return _sum(order_code, kind, ours.currency, own, theirs)


def _refunded(position: WholePosition, ours: AttemptSums) -> int:
    """Return the provider's sum of refunds, in the meaning that agrees with ours if there is one."""
    meant = refunds_meant(position, ours.charged_back)
    return next((minor for minor in meant if ours.refunded.nearest(minor) == minor), meant[0])


def _are_certain(sums: AttemptSums) -> bool:
    return all(sum.least == sum.most for sum in (sums.captured, sums.refunded))


def _within(order_code: str, kind: Difference.Kind, currency: str, ours: Range, theirs: int) -> Compared:
    return _sum(order_code, kind, currency, ours.nearest(theirs), theirs)


def _sum(order_code: str, kind: Difference.Kind, currency: str, ours: int, theirs: int) -> Compared:
    return Compared(order_code, kind, currency, ours, theirs, agrees=ours == theirs)
