"""The invariant about webhooks, I12, checked in our events and those that the endpoint received."""

from collections.abc import Iterator

from checkout.payments.objects.payment import STATUSES
from tests.faults.evidence import Evidence


def merchant_was_told(evidence: Evidence) -> Iterator[tuple[str, str]]:
    """Check that every change has an event, and that the endpoint has accepted every event unchanged.

    The events of a payment are numbered without a gap, and the last one has the payment's state.
    """
    for fault in evidence.endpoint_faults:
        yield "", fault
    ours = {event.told.event for events in evidence.events.values() for event in events}
    for each in evidence.told.values():
        if each.event not in ours:
            yield each.payment, f"the merchant was told of {each.type} {each.event}, which does not exist"
    for reference, payment in evidence.payments.items():
        events = [event.told for event in evidence.events.get(reference, ())]
        if [event.sequence for event in events] != list(range(1, len(events) + 1)):
            yield reference, f"its events are numbered {[event.sequence for event in events]}"
        states = [event.state for event in events if event.type.startswith("payment.")]
        if not states or states[-1] != STATUSES[payment.state]:
            yield reference, f"its last event says {states[-1:]}, and it is {payment.state}"
        for event in evidence.events.get(reference, ()):
            told = evidence.told.get(event.told.event)
            if told is None and event.is_due:
                yield reference, f"the merchant was not told of {event.told.type} {event.told.event}"
            elif told is not None and told != event.told:
                yield reference, f"the merchant was told {told}, and it is {event.told}"
