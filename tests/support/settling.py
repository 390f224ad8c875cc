"""Short forms of decisions of staff, for tests."""

from checkout.money import Money
from checkout.payments import actions
from checkout.payments.books.figures import TheirBooks
from checkout.payments.checkout_messages import ClaimFound, Fate, OperationFound
from checkout.payments.models import Payment
from checkout.payments.sagas.settlement.settleable import attempts_to_settle


def fate(*, arrived: bool, gives_up: bool = False) -> Fate:
    """Return what staff say became of an operation."""
    return Fate.ARRIVED if arrived else Fate.GIVEN_UP if gives_up else Fate.NOT_ARRIVED


def claim_found(saga: int, *, is_true: bool, amount: Money | None = None) -> ClaimFound:
    """Return the decision of staff about a claim."""
    if amount is None:
        return ClaimFound(saga=saga, is_true=is_true)
    return ClaimFound(saga=saga, is_true=is_true, minor=amount.minor, currency=amount.currency)


def settle_operation(
    reference: str, *, arrived: bool, by: str, reason: str, gives_up: bool = False, seen: str | None = None
) -> None:
    found = OperationFound(operation=reference, fate=fate(arrived=arrived, gives_up=gives_up))
    actions.settle_books(found, by=by, reason=reason, seen=seen)


def settle_claim(
    saga: int,
    *,
    is_true: bool,
    amount: Money | None = None,
    by: str,
    reason: str,
    seen: str | None = None,
) -> None:
    actions.settle_books(claim_found(saga, is_true=is_true, amount=amount), by=by, reason=reason, seen=seen)


def settle_payment(
    reference: str, theirs: TheirBooks, *, attempt: str = "", by: str, reason: str, seen: str | None = None
) -> None:
    """Settle an attempt by figures; without an order code, the attempt with which to begin."""
    candidates = attempts_to_settle(Payment.objects.get(reference=reference))
    first = candidates[0].order_code if candidates else f"{reference}-1"
    actions.settle_books(theirs.found_for(attempt or first), by=by, reason=reason, seen=seen)
