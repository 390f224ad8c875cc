"""The waterfall of a payment: a table that shows each hop in the gateway as a bar on a time axis.

A payment happens in bursts: a purchase takes a second, its webhook follows soon, and a refund comes days
later. Each burst has an axis of its own, so that bars of milliseconds can be seen.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import InterfaceError, OperationalError
from django.db.models import Prefetch
from django.utils import timezone

from checkout.backoffice.display.values import duration_text, humanised
from checkout.backoffice.display.wording import in_plain_words
from checkout.payments.actions.staff.flows import NOTED
from checkout.payments.events.types import OF_PAYMENT
from checkout.payments.models import Payment
from checkout.payments.timeline import Entry, Kind, timeline_of
from checkout.receipts.models import Receipt
from checkout.webhooks.models import Delivery, DeliveryAttempt

# The shortest pause that ends a burst, and the shortest length of an axis.
PAUSE = timedelta(seconds=2)
SHORTEST = timedelta(milliseconds=10)
# The width of an axis in its own units, which the page scales, and that of the shortest visible bar.
WIDTH, THINNEST = 1_000, 6
# Longer texts are cut. The pages of the rows show them in full.
LONGEST_TEXT = 4_000
# The kinds that only engineers need, and the permissions to read the texts of each kind.
INTERNAL = (Kind.STEP, Kind.MESSAGE)
_PERMISSIONS = {
    Kind.FACT: "payments.view_fact",
    Kind.MESSAGE: "payments.view_outboxmessage",
    Kind.NOTIFICATION: "payments.view_providernotification",
    Kind.WEBHOOK: "webhooks.view_delivery",
}
# The event that is no result of a request to pay, the event that sends the shopper to the issuer, and the
# ways in which a result reaches the shopper.
_UNDER_WAY = "payment.processing"
_CHALLENGED = "payment.action_required"
_TIERS: Mapping[str, str] = {
    Payment.AnswerTier.HELD: "answered while the request was held",
    Payment.AnswerTier.PUSHED: "the result was pushed to the open page",
    Payment.AnswerTier.POLLED: "the page asked later, or nobody waited",
}


def label_of(kind: Kind) -> str:
    """Return the name of a kind of record in the words of staff."""
    return "step" if kind == Kind.STEP else kind


@dataclass(frozen=True, slots=True)
class Hop:
    """An entry of the timeline in words, with the position and the width of its bar on the burst's axis."""

    entry: Entry
    what: str
    x: int
    width: int
    is_cut: bool
    text: str

    @property
    def took(self) -> str:
        """The duration in a suitable unit; empty for an instant."""
        return duration_text(self.entry.duration)

    @property
    def label(self) -> str:
        """The kind of record, in the words of staff."""
        return label_of(self.entry.kind)

    @property
    def is_internal(self) -> bool:
        """True if only engineers need the hop."""
        return self.entry.kind in INTERNAL


@dataclass(frozen=True, slots=True)
class Burst:
    """Hops without a long pause between them. ``later`` is the time since the previous burst, in words."""

    began_at: datetime
    later: str
    axis: Sequence[str]
    hops: Sequence[Hop]

    @property
    def is_internal(self) -> bool:
        """True if only engineers need the hops."""
        return all(hop.is_internal for hop in self.hops)


def waterfall_of(payment: Payment, user: Any) -> list[Burst]:
    """Return all hops of a payment in bursts, the oldest first, in a fixed number of queries.

    Texts that ``user`` may not read elsewhere are left out.
    """
    recorded = timeline_of(payment)
    entries = [*recorded, *_requests(payment, recorded), *_webhooks(payment), *_receipts(payment)]
    readable = {kind for kind, permission in _PERMISSIONS.items() if user.has_perm(permission)}
    bursts: list[Burst] = []
    end: datetime | None = None
    for group in _groups(sorted(entries, key=lambda entry: entry.at)):
        began_at = group[0].at
        bursts.append(_burst(group, duration_text(began_at - end) if end else "", readable))
        end = max(_end_in_burst(entry) for entry in group)
    return bursts


def _groups(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    group: list[Entry] = []
    for entry in entries:
        if group and entry.at - max(map(_end_in_burst, group)) > PAUSE:
            yield group
            group = []
        group.append(entry)
    if group:
        yield group


def _end_in_burst(entry: Entry) -> datetime:
    """Return the end of an entry's bar. A bar longer than a pause is cut there, so that the burst can end."""
    return entry.at + min(entry.duration or timedelta(), PAUSE)


def _burst(entries: Sequence[Entry], later: str, readable: set[Kind]) -> Burst:
    start = entries[0].at
    length = max(SHORTEST, max(map(_end_in_burst, entries)) - start)
    hops = [_hop(entry, start, length, readable) for entry in entries]
    return Burst(start, later, ["0", duration_text(length / 2), duration_text(length)], hops)


def _hop(entry: Entry, start: datetime, length: timedelta, readable: set[Kind]) -> Hop:
    x = min(round((entry.at - start) / length * WIDTH), WIDTH - THINNEST)
    width = max(THINNEST, round((entry.duration or timedelta()) / length * WIDTH))
    is_readable = entry.kind in readable or entry.what == NOTED
    text = entry.text[:LONGEST_TEXT] if is_readable else ""
    return Hop(entry, in_plain_words(entry), x, min(width, WIDTH - x), width > WIDTH - x, text)


def _requests(payment: Payment, recorded: Iterable[Entry]) -> Iterator[Entry]:
    """Yield each request to pay until its first result, and each challenge until its result."""
    moves = [each for each in recorded if each.kind == Kind.EVENT and each.what.startswith(OF_PAYMENT)]
    for attempt in payment.attempts.all():
        took = _until_next(moves, attempt.created_at, but=_UNDER_WAY)
        what = "The merchant charged a saved card" if attempt.merchant_initiated else "Pay pressed"
        tier = _TIERS.get(payment.answer_tier, "") if attempt.number == 1 else ""
        yield Entry(attempt.created_at, Kind.REQUEST, what, tier, took)
    for move in moves:
        if move.what == _CHALLENGED:
            took = _until_next(moves, move.at, but=_CHALLENGED)
            detail = "" if took else "no end is known"
            yield Entry(move.at, Kind.CHALLENGE, "Sent to the bank", detail, took)


def _until_next(moves: Iterable[Entry], start: datetime, *, but: str) -> timedelta | None:
    ends = (each.at for each in moves if each.at > start and each.what != but)
    end = next(ends, None)
    return end - start if end else None


def _webhooks(payment: Payment) -> Iterator[Entry]:
    """Yield each request to an endpoint, and each delivery that waits for its first request."""
    attempts = Prefetch("attempts", DeliveryAttempt.objects.order_by("pk"))
    rows = Delivery.objects.filter(payment=payment.reference).prefetch_related(attempts)
    for delivery in rows.order_by("pk"):
        tries = delivery.attempts.all()
        for number, each in enumerate(tries, start=1):
            answer = str(each.status or humanised(each.error))
            detail = " ".join(filter(None, [f"{answer}, try {number}, {each.url}", each.detail]))
            took = timedelta(milliseconds=each.duration_ms)
            yield Entry(each.at, Kind.WEBHOOK, delivery.event_type, detail, took, each.response)
        if not tries:
            yield Entry(delivery.created_at, Kind.WEBHOOK, delivery.event_type, "not sent yet")


def _receipts(payment: Payment) -> Iterator[Entry]:
    try:
        rows = list(Receipt.objects.filter(payment_reference=payment.reference))
    except (OperationalError, InterfaceError):
        yield Entry(timezone.now(), Kind.RECEIPT, "Receipt", "not available: database away")
        return
    for row in rows:
        detail = row.email if row.sent_at else f"not sent yet, {row.failures} failures"
        took = row.sent_at - row.created_at if row.sent_at else None
        what = "Receipt of a refund" if row.refund else "Receipt"
        yield Entry(row.created_at, Kind.RECEIPT, f"{what} sent to the shopper", detail, took)
