"""Lease due deliveries, and read everything that is needed to send them.

No lock and no transaction is held while a webhook is under way.
"""

import random
import secrets
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from checkout.payments import event_feed
from checkout.webhooks.keys import keys_of
from checkout.webhooks.models import Delivery, WebhookEndpoint
from checkout.webhooks.schedule import FAILURES_TO_OPEN
from checkout.webhooks.sending.client import Answer
from checkout.webhooks.signing import Keys
from messaging.outbox.clock import server_time, server_time_now

# This is longer than an attempt and its recording take.
LEASE_SECONDS = 60.0
# Problems with signing that last until staff have acted.
CANNOT_SIGN = (SECRET_UNREADABLE, NO_SECRET) = ("secret_unreadable", "no_secret")
NO_SUCH_EVENT = "no_such_event"
# Results that come from the gateway's own problems, and not from the endpoint.
RESULTS_OF_OURS = [Answer(error=each).summary for each in (*CANNOT_SIGN, NO_SUCH_EVENT, "look_up_not_begun")]


@dataclass(frozen=True, slots=True)
class Job:
    """A delivery to be sent now. ``at`` is the time by the database's clock.

    If the delivery cannot be sent, ``problem`` names the error to record. ``age_seconds`` counts from the
    event to ``at``.
    """

    delivery: int
    endpoint: int
    merchant: str
    lease: str
    message_id: str
    url: str
    at: datetime
    body: bytes = field(default=b"", repr=False)
    keys: Sequence[Keys] = field(default=(), repr=False)
    problem: str = ""
    age_seconds: float = 0.0
    payment: str = ""


def claim(
    free: int,
    per_endpoint: int,
    per_merchant: int,
    in_flight: Mapping[int, int],
    of_merchants: Mapping[str, int],
) -> list[Job]:
    """Lease at most ``free`` due deliveries, within the limits for each endpoint and merchant.

    ``in_flight`` counts the deliveries under way by endpoint, ``of_merchants`` by merchant. An endpoint that
    has failed too often gets one delivery at a time. If there are more endpoints with due deliveries than can
    be served, they are chosen at random, so that none waits for ever.
    """
    now = server_time()
    lease = secrets.token_hex(16)
    claimed: list[tuple[WebhookEndpoint, Delivery]] = []
    busy = Counter(of_merchants)
    # Outside the transaction, which is needed only if there are due deliveries. Usually there are none.
    endpoints = list(_with_due_deliveries(now))
    if not endpoints:
        return []
    at = server_time_now()
    random.shuffle(endpoints)
    with transaction.atomic():
        for endpoint in endpoints:
            most = 1 if endpoint.failures >= FAILURES_TO_OPEN else per_endpoint
            room = min(
                most - in_flight.get(endpoint.pk, 0),
                per_merchant - busy[endpoint.merchant],
                free - len(claimed),
            )
            if room > 0:
                taken = [(endpoint, delivery) for delivery in _due(now, endpoint, room)]
                busy[endpoint.merchant] += len(taken)
                claimed += taken
        Delivery.objects.filter(pk__in=[delivery.pk for _, delivery in claimed]).update(
            next_try_at=now + timedelta(seconds=LEASE_SECONDS), lease=lease
        )
    return _jobs(claimed, lease, at)


def not_signed() -> Q:
    """Return a condition for deliveries that wait until staff repair or replace their endpoint's secret."""
    results = [Answer(error=problem).summary for problem in CANNOT_SIGN]
    is_wanted = Q(next_try_at__isnull=False, endpoint__state=WebhookEndpoint.State.ENABLED)
    return is_wanted & Q(state=Delivery.State.PENDING, last_result__in=results)


def give_back(jobs: Sequence[Job]) -> None:
    """Make leased deliveries that were not sent due again.

    Skip those that another process has leased since.
    """
    for job in jobs:
        Delivery.objects.filter(pk=job.delivery, lease=job.lease, state=Delivery.State.PENDING).update(
            next_try_at=server_time(), lease=""
        )


def _is_due(now: object) -> Q:
    return Q(state=Delivery.State.PENDING, next_try_at__lte=now)


def _with_due_deliveries(now: object) -> QuerySet[WebhookEndpoint]:
    due = Delivery.objects.filter(_is_due(now), endpoint=OuterRef("pk"))
    return WebhookEndpoint.objects.filter(
        Q(paused_until=None) | Q(paused_until__lte=now), Exists(due), state=WebhookEndpoint.State.ENABLED
    ).order_by()


def _due(now: object, endpoint: WebhookEndpoint, room: int) -> QuerySet[Delivery]:
    due = Delivery.objects.filter(_is_due(now), endpoint=endpoint).order_by("next_try_at")
    return due.select_for_update(skip_locked=True)[:room]


def _jobs(claimed: Sequence[tuple[WebhookEndpoint, Delivery]], lease: str, at: datetime) -> list[Job]:
    if not claimed:
        return []
    endpoints = {endpoint.pk: endpoint for endpoint, _ in claimed}
    keys = keys_of(endpoints.values())
    bodies = _bodies(claimed)
    jobs = []
    for endpoint, delivery in claimed:
        body = bodies.get((endpoint.payload, endpoint.api_version, delivery.event), b"")
        own = keys[endpoint.pk]
        problem = SECRET_UNREADABLE if own is None else "" if own else NO_SECRET
        jobs.append(
            Job(
                delivery=delivery.pk,
                endpoint=endpoint.pk,
                merchant=endpoint.merchant,
                lease=lease,
                message_id=delivery.event,
                payment=delivery.payment,
                url=endpoint.url,
                at=at,
                body=body,
                keys=own or (),
                problem=problem or ("" if body else NO_SUCH_EVENT),
                age_seconds=(at - delivery.created_at).total_seconds(),
            )
        )
    return jobs


def _bodies(claimed: Sequence[tuple[WebhookEndpoint, Delivery]]) -> dict[tuple[str, str, str], bytes]:
    """Return the bodies of existing events, by payload, API version and event."""
    bodies: dict[tuple[str, str, str], bytes] = {}
    wanted: dict[tuple[str, str], list[str]] = defaultdict(list)
    for endpoint, delivery in claimed:
        form = (endpoint.payload, endpoint.api_version)
        if delivery.content is None:
            wanted[form].append(delivery.event)
        else:
            bodies[(*form, delivery.event)] = msgspec.json.encode(delivery.content)
    for (payload, version), events in wanted.items():
        found = event_feed.bodies(events, version, is_thin=payload == WebhookEndpoint.Payload.THIN)
        bodies |= {(payload, version, event): body for event, body in found.items()}
    return bodies
