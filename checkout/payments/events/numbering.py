"""Number the events of a payment without a gap, with as few reads as possible. The payment must be locked.

The latest events are cached on the payment's instance. Every transaction reads an instance of its own, and no
other transaction writes events of the payment while it is locked.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from django.db.models.functions import Coalesce

from checkout.payments.events.types import OF_PAYMENT
from checkout.payments.models import Event, Payment
from messaging.compiled_queries import Compiled

# Attributes of a payment's instance: its latest events, and True if the database has numbered some.
_KNOWN, _UNSEEN = "_known_events", "_unseen_events"


@dataclass(frozen=True, slots=True)
class Latest:
    """The latest event of the payment itself or None, and the number of the payment's last event or 0."""

    own: Event | None
    last: int


class _NextNumber:
    """An SQL expression: ``distance`` plus the number of the payment's last event when it is evaluated."""

    def __init__(self, payment: Payment, distance: int) -> None:
        self._values = [distance, payment.pk]

    def as_sql(self, compiler: object, connection: object) -> tuple[str, list[int]]:
        """Return the SQL and its values, as Django's expressions do."""
        table = Event._meta.db_table
        return (
            f'(SELECT COALESCE(MAX("sequence"), 0) + %s FROM "{table}" WHERE "payment_id" = %s)',  # noqa: S608
            self._values,
        )


def latest_of(payment: Payment) -> Latest:
    """Return the payment's latest events from the cache, or read them."""
    known: Latest | None = vars(payment).get(_KNOWN)
    if known is None:
        recent = _RECENT.all(payment.pk)
        own = next((each for each in recent if each.type.startswith(OF_PAYMENT)), None)
        known = vars(payment)[_KNOWN] = Latest(own, recent[-1].sequence if recent else 0)
    return known


@contextmanager
def first_events(payment: Payment) -> Iterator[None]:
    """Number the events of the block from 1, because the payment is new.

    The cache is cleared at the end, because callers use the instance after the transaction.
    """
    vars(payment)[_KNOWN] = Latest(None, 0)
    try:
        yield
    finally:
        del vars(payment)[_KNOWN]


def number(payment: Payment, events: Sequence[Event]) -> None:
    """Number new events after the existing events of the payment.

    If the existing events are not cached, the database numbers the new events while it inserts them. It can
    do so once in a transaction, because it does not see events of the same statement.
    """
    if _KNOWN not in vars(payment) and not vars(payment).get(_UNSEEN):
        vars(payment)[_UNSEEN] = True
        for distance, event in enumerate(events, 1):
            event.sequence = _NextNumber(payment, distance)  # type: ignore[assignment]
        return
    own, last = latest_of(payment).own, latest_of(payment).last
    for event in events:
        last += 1
        event.sequence = last
        if event.type.startswith(OF_PAYMENT):
            own = event
    vars(payment)[_KNOWN] = Latest(own, last)


# The payment's own last event and all events after it. There are few: those of its attempt or an operation.
_RECENT = Compiled(
    lambda payment: (
        Event.objects.filter(payment_id=payment)
        .filter(
            sequence__gte=Coalesce(
                Event.objects.filter(payment_id=payment, type__startswith=OF_PAYMENT)
                .order_by("-sequence")
                .values("sequence")[:1],
                0,
            )
        )
        .only("type", "sequence", "data")
        .order_by("sequence")
    )
)
