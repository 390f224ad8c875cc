"""Events of payments, for apps that pass them on but do not read the tables of payments themselves."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from checkout.payments.events.types import EVENT_TYPES
from checkout.payments.models import Event, Merchant
from checkout.payments.objects import webhook_object

__all__ = [
    "EVENT_TYPES",
    "FeedItem",
    "HighWaterMark",
    "bodies",
    "high_water_mark",
    "is_live",
    "items",
    "items_between",
    "items_of",
    "items_since",
    "last_pk",
]

# The most keys that are searched for uncommitted events. Far fewer events are written during a transaction.
MOST_SEARCHED = 20_000


@dataclass(frozen=True, slots=True)
class FeedItem:
    """An event without its content. ``pk`` orders the events of all payments."""

    pk: int
    reference: str
    type: str
    merchant: str
    payment: str
    created_at: datetime


def items(references: Collection[str]) -> Sequence[FeedItem]:
    """Return the existing events with these references."""
    return _items(reference__in=references)


def last_pk() -> int:
    """Return the key of the last event that was written; 0 if there is none.

    Keys give the order of events. Times do not, because the clocks of the hosts that write events may differ.
    """
    return Event.objects.order_by("-pk").values_list("pk", flat=True).first() or 0


@dataclass(frozen=True, slots=True)
class HighWaterMark:
    """The end of the committed events: the last event's key, and smaller keys that have no event yet.

    A transaction that has not ended may still commit events with the smaller keys. Most of these keys are
    never used.
    """

    last: int
    under_way: Sequence[int]


def high_water_mark(after: int) -> HighWaterMark:
    """Return the present mark. All events up to the key ``after`` are committed."""
    keys = list(
        Event.objects.filter(pk__gt=after).order_by("-pk").values_list("pk", flat=True)[:MOST_SEARCHED]
    )
    if not keys:
        return HighWaterMark(last_pk(), [])
    first = max(after + 1, keys[-1] if len(keys) == MOST_SEARCHED else 0)
    return HighWaterMark(keys[0], sorted(set(range(first, keys[0])).difference(keys)))


def items_between(after: int, last: int, *, most: int) -> Sequence[FeedItem]:
    """Return at most ``most`` events after ``after`` and up to ``last``, in their order."""
    return _items(most, pk__gt=after, pk__lte=last)


def items_of(merchant: str, *, after: int, most: int) -> Sequence[FeedItem]:
    """Return the merchant's first events after the event ``after``, in their order."""
    return _items(most, merchant__code=merchant, pk__gt=after)


def items_since(merchant: str, since: datetime, *, after: int, most: int) -> Sequence[FeedItem]:
    """Return the merchant's first events since a time, after the event ``after``, in their order."""
    return _items(most, merchant__code=merchant, created_at__gte=since, pk__gt=after)


def bodies(references: Collection[str], api_version: str, *, is_thin: bool) -> dict[str, bytes]:
    """Return the bodies of the webhooks about the existing events with these references."""
    events = Event.objects.filter(reference__in=references).select_related("payment", "merchant")
    return {
        event.reference: msgspec.json.encode(webhook_object(event, api_version, is_thin=is_thin))
        for event in events
    }


def is_live(merchant: str) -> bool:
    """Return ``live`` of the merchant's events: True if its payments are real."""
    return Merchant.objects.filter(code=merchant, is_live=True).exists()


def _items(most: int | None = None, **conditions: object) -> Sequence[FeedItem]:
    events = Event.objects.filter(**conditions).order_by("pk")
    names = ("pk", "reference", "type", "merchant__code", "payment__reference", "created_at")
    return [FeedItem(*row) for row in events.values_list(*names)[:most]]
