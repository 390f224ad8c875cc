"""The table of releases: when the rest of an authorisation is gone, of which a part was captured."""

from checkout.payments.books.ours import Ours
from checkout.payments.models.payment import Operation
from checkout.payments.providers.base import EventKind
from checkout.states import AttemptState

Kind, State = Operation.Kind, Operation.State


def is_rest_released(ours: Ours, event: EventKind) -> bool:
    """Return True if an event that ends an authorisation is the end of its rest (row E1).

    The event is proven, or the order's last one. Everything that was captured is certain, and nothing is
    under way that the event may be about instead.
    """
    if event not in (EventKind.CANCELLED, EventKind.EXPIRED) or ours.state != AttemptState.AUTHORISED:
        return False
    captures = ours.range(Kind.CAPTURE)
    is_open = any(each.state != State.DONE for each in captures.entries)
    return 0 < captures.least < ours.owed.minor and not is_open and not ours.range(Kind.VOID).entries
