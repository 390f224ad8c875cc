"""The invariants about money, I2 and I5, checked in the provider's books, the ledger and our operations."""

from collections import Counter
from collections.abc import Iterator

from checkout.money import Money
from tests.faults.evidence import Evidence
from tests.faults.provider_books import Order

# Pairs of the reference of a payment (empty if the violation concerns no single one) and the violation's
# text.
Found = Iterator[tuple[str, str]]
ACCOUNTS = ("provider:in_process", "provider:captured", "merchant:payable")


def nothing_charged_twice(evidence: Evidence) -> Found:
    """Check that a payment has one authorisation, and that each capture and refund is carried out once.

    The product must not request captures beyond the authorised amount, or refunds beyond the captured amount,
    because some providers accept them.
    """
    for reference in evidence.payments:
        orders = evidence.orders_of(reference)
        held = [order.code for order in orders if order.authorised > order.cancelled]
        if len(held) > 1:
            yield reference, f"authorised more than once: {', '.join(held)}"
        for order in orders:
            for text in over_limits(order):
                yield reference, text
            for (kind, operation), times in order.taken().items():
                # Movements made in the portal have no reference.
                if times > 1 and (operation or reference not in evidence.used_portal):
                    yield reference, f"{kind} {operation} was carried out {times} times"


def over_limits(order: Order) -> Iterator[str]:
    """Yield a text if an order's sums at the provider contradict each other or exceed a limit."""
    if order.authorisations > 1:
        yield f"{order.code} authorised {order.authorisations} times"
    if order.capture_requested + order.cancelled > order.authorised:
        yield f"{order.code} authorised {order.authorised}, captures of {order.capture_requested} asked for"
    if order.captured > order.capture_requested:
        yield f"{order.code} captured {order.captured}, asked for {order.capture_requested}"
    # A refund that the provider reported as failed may be requested again, even if the provider makes it in
    # the end.
    if order.refund_requested - order.refund_denied > order.captured:
        yield f"{order.code} captured {order.captured}, refunds of {order.refund_requested} asked for"


def books_agree(evidence: Evidence) -> Found:
    """Check that ledger and operations agree with the provider's books, to the minor unit.

    Nothing may be posted before the provider has booked it, and no notification may be applied without
    comparing its amount.
    """
    for reference in evidence.payments:
        yield from _postings_in_order(evidence, reference)
        yield from _statements_agree(evidence, reference)
        yield from _amounts_agree(evidence, reference)
        orders = evidence.orders_of(reference)
        if any(order.is_untold for order in orders):
            continue
        captured = sum(order.captured for order in orders)
        refunded = sum(order.refunded for order in orders)
        charged_back = sum(order.charged_back for order in orders)
        kept = captured - refunded - charged_back
        balances = balances_of(evidence, reference)
        expected = {"provider:in_process": 0, "provider:captured": kept, "merchant:payable": -kept}
        for account in ACCOUNTS:
            if balances[account] != expected[account]:
                yield (
                    reference,
                    f"{account} is {balances[account]}, by the provider's books {expected[account]}",
                )
        done: Counter[str] = Counter()
        for each in evidence.operations.get(reference, ()):
            if each.state == "done":
                done[each.kind] += each.minor
        net = done["charge_back"] - done["charge_back_reversal"]
        for kind, ours, theirs in (
            ("captures", done["capture"], captured),
            ("refunds", done["refund"], refunded),
            ("charge-backs", net, charged_back),
        ):
            if ours != theirs:
                yield reference, f"{kind} done of {ours}, by the provider's books {theirs}"
    untold = [order.code for order in evidence.orders.values() if order.is_untold]
    for difference in evidence.differences:
        # The provider sent no notification of this refund, so reconciliation is right to report it.
        if any(difference.startswith(each) for each in untold):
            continue
        yield "", f"reconciliation found {difference}"


def _postings_in_order(evidence: Evidence, reference: str) -> Found:
    """Check that each posting adds up to zero, and that none was made before the provider's booking."""
    orders, postings = evidence.orders_of(reference), Counter[str]()
    for entry in evidence.ledger.get(reference, ()):
        postings[entry.posting] += entry.minor
        kind, _, operation = entry.posting.partition(":")
        if kind not in ("captured", "refunded") or entry.account != "provider:captured":
            continue
        # Movements made in the portal have a reference only in our books, once staff have entered them.
        names = (operation, "") if reference in evidence.used_portal else (operation,)
        moments = (order.booked_at(kind, name) for order in orders for name in names)
        booked = [at for at in moments if at is not None]
        if not booked or entry.at < min(booked):
            yield reference, f"{entry.posting} was posted before the provider had booked it"
    for posting, total in postings.items():
        if total:
            yield reference, f"posting {posting} does not add up to zero, but to {total}"


def _statements_agree(evidence: Evidence, reference: str) -> Found:
    """Check that no notification with another amount was applied to an operation."""
    currency = evidence.payments[reference].currency
    ours = {each.reference: each for each in evidence.operations.get(reference, ())}
    for statement in evidence.statements.get(reference, ()):
        operation = ours.get(statement.reference)
        if operation is None or statement.refused or not statement.amount:
            continue
        if statement.amount != str(Money(operation.minor, currency)):
            yield (
                reference,
                f"{statement.kind} of {statement.amount} was believed of {operation.reference},"
                f" which is a {operation.kind} of {operation.minor}",
            )


def _amounts_agree(evidence: Evidence, reference: str) -> Found:
    """Check that each done capture and refund was booked by the provider with our amount."""
    ours = {each.reference: each for each in evidence.operations.get(reference, ()) if each.state == "done"}
    for order in evidence.orders_of(reference):
        for entry in order.entries:
            operation = ours.get(entry.reference)
            if entry.kind not in ("captured", "refunded") or operation is None:
                continue
            if entry.minor != operation.minor:
                yield (
                    reference,
                    f"{operation.kind} {entry.reference} of {operation.minor} was booked as {entry.minor}",
                )


def balances_of(evidence: Evidence, reference: str) -> Counter[str]:
    """Return the ledger's sums of a payment by account."""
    balances: Counter[str] = Counter()
    for entry in evidence.ledger.get(reference, ()):
        balances[entry.account] += entry.minor
    return balances
