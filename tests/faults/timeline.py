"""The history of one payment, to find out why it ended as it did."""

from collections.abc import Iterator

from tests.faults.evidence import Evidence
from tests.faults.provider_books import SUMS


def timeline(evidence: Evidence, reference: str) -> Iterator[str]:
    """Yield the answers to clients in order, then the final contents of database and provider's books."""
    history = evidence.histories.get(reference, [])
    first = min((seen.began for seen in history), default=0.0)
    for seen in sorted(history, key=lambda seen: seen.at):
        yield f"  {seen.began - first:8.2f} {seen.at - first:8.2f}  {seen}"
    for event in evidence.events.get(reference, ()):
        yield f"  event      {event.told.sequence} {event.told.type} {event.told.state}"
    for fact in evidence.facts.get(reference, ()):
        yield f"  fact       {fact.kind} by {fact.source}"
    for letter in evidence.dead:
        if letter.payment == reference:
            yield f"  dead       {letter}{'' if letter.is_open else ' (no longer open)'}"
    for attempt in evidence.attempts.get(reference, ()):
        yield f"  attempt    {attempt.order_code} {attempt.state}"
    for operation in evidence.operations.get(reference, ()):
        yield f"  operation  {operation.kind} {operation.reference} {operation.minor} {operation.state}"
        yield f"             asked for by {operation.requested_by}"
    for saga in evidence.sagas.get(reference, ()):
        yield f"  saga       {saga.kind} {saga.status} at {saga.step}"
    for entry in evidence.ledger.get(reference, ()):
        yield f"  ledger     {entry.posting} {entry.account} {entry.minor}"
    for order in evidence.orders_of(reference):
        sums = ", ".join(f"{name} {getattr(order, name)}" for name in SUMS if getattr(order, name))
        yield f"  provider   {order.code}: {sums or 'nothing'}"
        for name, words in (("traits", order.traits), ("faults", order.faults)):
            if words:
                yield f"  {name:<10} {', '.join(sorted(words))}"
        for booking in order.entries:
            yield f"  booked     {booking.kind} {booking.minor} {booking.reference}".rstrip()
    for asked in evidence.asked:
        if asked.payment == reference:
            yield f"  merchant   {asked.kind} {asked.minor} key {asked.key} → {asked.answer}"
