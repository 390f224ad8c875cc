"""Create a delivery of an event for each endpoint of the merchant that is subscribed to its type.

The broker's message about an event is only a hint. The event is read from the payments' records, so that a
forged message tells merchants nothing. If the message is lost, the sweep finds the event.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from checkout.conf import conf
from checkout.errors import OperationRejected
from checkout.payments import event_feed
from checkout.payments.event_feed import FeedItem, HighWaterMark
from checkout.webhooks.models import Delivery, DeliveryAttempt, SweepCursor, WebhookEndpoint
from checkout.webhooks.waking import wake_after_commit
from messaging.outbox.clock import server_time, server_time_now

# The time between the sweep's first look at events and their comparison. It is longer than any transaction
# that writes events, so the sweep misses no event that is committed late.
SWEEP_AFTER = timedelta(minutes=2)
BATCH = 500
# The most deliveries that are created together when an endpoint changes its state.
MOST_UNSWEPT = 5_000
# A transaction that creates an endpoint may commit after others whose endpoints have greater keys.
LATE_KEYS = 100
ROWS_AT_ONCE = 1000


def has_endpoint(merchant: str) -> bool:
    """Return True if the merchant has an endpoint, which may be disabled."""
    return WebhookEndpoint.objects.filter(merchant=merchant).exists()


def late_deliveries(since: datetime) -> QuerySet[Delivery]:
    """Return the deliveries that have been due since before a time, and that only the sender delays."""
    is_paused = Q(endpoint__paused_until__gt=since)
    late = Delivery.objects.filter(state=Delivery.State.PENDING, next_try_at__lt=since)
    return late.filter(~is_paused, endpoint__state=WebhookEndpoint.State.ENABLED)


def merchants_by_endpoint(after: int) -> Mapping[int, str]:
    """Return the merchant of each endpoint whose key is greater than ``after``, by the endpoint's key.

    Some endpoints with smaller keys are included, because endpoints are not committed in the order of keys.
    """
    newer = WebhookEndpoint.objects.filter(pk__gt=after - LATE_KEYS).order_by()
    return dict(newer.values_list("pk", "merchant"))


def backfill_deliveries(merchants: Collection[str]) -> int:
    """Create deliveries of the events that these merchants' endpoints have missed. Return the number."""
    wanted = WebhookEndpoint.objects.filter(merchant__in=merchants, state=WebhookEndpoint.State.ENABLED)
    return sum(_backfill_deliveries(endpoint) for endpoint in wanted)


def create_deliveries(references: Collection[str]) -> int:
    """Create the deliveries of these events. Return the number of new ones."""
    return _create_deliveries(event_feed.items(references))


def _create_deliveries(items: Sequence[FeedItem]) -> int:
    wanted = WebhookEndpoint.objects.filter(merchant__in={item.merchant for item in items})
    rows = [
        new_delivery(endpoint, item)
        for endpoint in wanted
        for item in items
        if endpoint.merchant == item.merchant
        and endpoint.wants(item.type)
        and _was_enabled_at(item, endpoint)
    ]
    return write_new(rows)


def _was_enabled_at(item: FeedItem, endpoint: WebhookEndpoint) -> bool:
    """Return True if the endpoint was enabled at the time of the event.

    If the message about an event arrives after the endpoint was disabled, the delivery is created, and waits
    until the endpoint is enabled.
    """
    if endpoint.is_enabled:
        return endpoint.last_event_before_state < item.pk or item.pk in endpoint.events_under_way
    if item.pk in endpoint.events_under_way:
        return False  # the event was committed after the endpoint was disabled
    return endpoint.last_event_before_it < item.pk <= endpoint.last_event_before_state


def transition(endpoint: WebhookEndpoint, state: str, reason: str = "") -> None:
    """Give the endpoint another state, which applies from the next event on. The caller saves the endpoint.

    Deliveries of earlier events that the sweep has not reached are created first, because the earlier state
    is not stored.
    """
    if endpoint.is_enabled:
        _backfill_deliveries(endpoint)
    endpoint.state, endpoint.state_reason, endpoint.state_since = state, reason, timezone.now()
    end = high_water_mark()
    endpoint.last_event_before_state, endpoint.events_under_way = end.last, list(end.under_way)


def _backfill_deliveries(endpoint: WebhookEndpoint) -> int:
    """Create deliveries of the events after the endpoint was enabled that the sweep has not reached."""
    first = min([endpoint.last_event_before_state, *(pk - 1 for pk in endpoint.events_under_way)])
    return _create_deliveries(
        event_feed.items_of(endpoint.merchant, after=max(_swept(), first), most=MOST_UNSWEPT)
    )


def high_water_mark() -> HighWaterMark:
    """Return the key of the last event committed until now, and smaller keys of events not committed yet."""
    return event_feed.high_water_mark(_swept())


def _swept() -> int:
    return SweepCursor.objects.filter(pk=1).values_list("event_pk", flat=True).first() or 0


def new_delivery(endpoint: WebhookEndpoint, item: FeedItem) -> Delivery:
    """Return an unsaved delivery of an event, due now."""
    return Delivery(
        endpoint=endpoint,
        event=item.reference,
        event_type=item.type,
        payment=item.payment,
        next_try_at=server_time(),
    )


def write_new(rows: Sequence[Delivery]) -> int:
    """Insert deliveries that do not exist yet, and wake the senders. Return their number."""
    known = set(
        Delivery.objects.filter(
            endpoint__in={row.endpoint_id for row in rows}, event__in={row.event for row in rows}
        ).values_list("endpoint", "event")
    )
    new = [row for row in rows if (row.endpoint_id, row.event) not in known]
    if new:
        with transaction.atomic():
            # Another process may have inserted some of the rows in the meantime.
            Delivery.objects.bulk_create(new, batch_size=BATCH, ignore_conflicts=True)
            wake_after_commit()
    return len(new)


def make_due(deliveries: QuerySet[Delivery]) -> None:
    """Make deliveries due and restart their schedule. The result of an attempt under way is ignored.

    Pass at most a few hundred deliveries. They are locked in the same order in which senders lock them.
    """
    locked = deliveries.select_for_update(of=("self",)).order_by("pk")
    deliveries.filter(pk__in=list(locked.values_list("pk", flat=True))).update(
        state=Delivery.State.PENDING, tries=0, next_try_at=server_time(), lease="", ended_at=None
    )
    wake_after_commit()


def end_waiting(endpoint: WebhookEndpoint) -> None:
    """Make the endpoint's pending deliveries due now. The caller has locked the endpoint.

    Deliveries that a sender has leased or given back are left to the sender. Locked deliveries are skipped as
    well: waiting for them could cause a deadlock, because others lock a delivery before its endpoint.
    """
    now = server_time()
    locked = waiting_for(endpoint, now).select_for_update(skip_locked=True).order_by("next_try_at")
    # In batches, because a statement can have only a limited number of parameters.
    while pks := list(locked.values_list("pk", flat=True)[:ROWS_AT_ONCE]):
        Delivery.objects.filter(pk__in=pks).update(next_try_at=now)
    wake_after_commit()


def waiting_for(endpoint: WebhookEndpoint, now: datetime | Now) -> QuerySet[Delivery]:
    """Return the endpoint's pending deliveries that are not due at ``now`` and that no sender has leased."""
    pending = Delivery.objects.filter(endpoint=endpoint, state=Delivery.State.PENDING, lease="")
    return pending.filter(next_try_at__gt=now)


def sweep() -> int:
    """Compare the next events with the deliveries, and create missing deliveries.

    Return the number of events. The sweep uses the events' keys and the database's clock, because the times
    of events come from the hosts that wrote them. Events that it sees for the first time are compared after
    ``SWEEP_AFTER``.
    """
    with transaction.atomic():
        SweepCursor.objects.get_or_create(pk=1, defaults={"event_pk": 0})
        mark = SweepCursor.objects.select_for_update(skip_locked=True).filter(pk=1).first()
        if mark is None:
            # Another process is sweeping.
            return 0
        if mark.event_pk >= mark.seen_pk:
            if (last := event_feed.last_pk()) > mark.event_pk:
                mark.seen_pk, mark.seen_at = last, server_time()
                mark.save()
            return 0
        if not SweepCursor.objects.filter(pk=mark.pk, seen_at__lte=server_time() - SWEEP_AFTER).exists():
            return 0
        items = event_feed.items_between(mark.event_pk, mark.seen_pk, most=BATCH)
        _create_deliveries(items)
        mark.event_pk = items[-1].pk if len(items) == BATCH else mark.seen_pk
        mark.save(update_fields=["event_pk"])
    return len(items)


def delete_expired() -> int:
    """Delete deliveries that ended longer than ``conf.retention`` ago, with their log. Return their number.

    Pending deliveries are deleted once their endpoint has been disabled for that time.
    """
    until = server_time_now() - conf.retention
    ended = Delivery.objects.filter(ended_at__lt=until).order_by("ended_at")
    waiting = Delivery.objects.filter(
        state=Delivery.State.PENDING,
        next_try_at__isnull=False,
        endpoint__state=WebhookEndpoint.State.DISABLED,
        endpoint__state_since__lt=until,
    ).order_by("pk")
    pks = [pk for rows in (ended, waiting) for pk in rows.values_list("pk", flat=True)[:ROWS_AT_ONCE]]
    Delivery.objects.filter(pk__in=pks).delete()
    return len(pks)


def delete_removed_endpoints() -> int:
    """Fail the pending deliveries of deleted endpoints, and delete endpoints without a log.

    Return the number of changed and deleted rows.
    """
    gone = WebhookEndpoint.objects.filter(state=WebhookEndpoint.State.DELETED)
    owed = Delivery.objects.filter(endpoint__in=gone, state=Delivery.State.PENDING)
    pks = list(owed.order_by("pk").values_list("pk", flat=True)[:ROWS_AT_ONCE])
    Delivery.objects.filter(pk__in=pks).update(
        state=Delivery.State.FAILED, next_try_at=None, lease="", ended_at=timezone.now()
    )
    without_log = gone.filter(~Exists(Delivery.objects.filter(endpoint=OuterRef("pk"))))
    return len(pks) + without_log.delete()[0]


def erase_responses(payment: str) -> int:
    """Erase the stored answers of endpoints to webhooks about a payment. Return the number of attempts.

    Raises ``OperationRejected`` while such a webhook is being sent, because its answer would be stored
    afterwards, and may repeat erased data. No other delivery is leased until the caller's transaction ends.
    """
    rows = Delivery.objects.select_for_update(of=("self",)).filter(payment=payment).order_by("pk")
    now = server_time_now()
    if any(each.lease and each.next_try_at and each.next_try_at > now for each in rows):
        raise OperationRejected("A webhook about the payment is being sent. Try again in a moment.")
    attempts = DeliveryAttempt.objects.filter(delivery__payment=payment)
    return attempts.update(response="", detail="")
