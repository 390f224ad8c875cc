"""Metrics of the whole installation, which the relay collects at intervals.

Each figure has a transaction of its own. PostgreSQL ends it after two seconds, and no more rows than ``MOST``
are counted. A figure that could not be collected lately is not served.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from time import monotonic
from typing import Any

import structlog
from django.db import DEFAULT_DB_ALIAS, Error, connections, transaction
from django.db.models import Count, Max, QuerySet
from django.utils import timezone

from checkout.database.owners import databases
from checkout.management.gateway.expected import expected_queues
from checkout.metrics.families import Figure
from checkout.payments.actions.staff.handling import NEEDS_ATTENTION
from checkout.payments.events.log import unpublished_events
from checkout.payments.models import (
    DeadLetter,
    Difference,
    OutboxMessage,
    ProviderNotification,
    Reconciliation,
    Saga,
)
from checkout.payments.models.messages import OPEN_LETTER
from checkout.payments.models.reconciliation import OPEN_DIFFERENCE
from checkout.payments.models.saga import UNFINISHED
from checkout.webhooks.deliveries import late_deliveries
from checkout.webhooks.models import WebhookEndpoint
from messaging.concurrency.database import is_away
from messaging.outbox.clock import server_time, server_time_now
from messaging.registry import inspect_broker
from messaging.tallies import Labels

log = structlog.get_logger(__name__)

MOST = 10_000
EVERY_SECONDS = 15.0
# The interval of figures without an index, for which PostgreSQL may read a whole table.
WITHOUT_INDEX_SECONDS = 120.0
# After this number of intervals without a new value, a figure is no longer served.
MOST_MISSED = 4
STATEMENT_TIMEOUT = "SET LOCAL statement_timeout = '2s'"
ENABLED = WebhookEndpoint.State.ENABLED

Found = Sequence[tuple[Labels, float]]


@dataclass(frozen=True, slots=True)
class _Collected:
    """A figure, with the function that queries its values from a database or the broker."""

    name: str
    help: str
    labels: Sequence[str]
    ask: Callable[[], Found]
    every_seconds: float = EVERY_SECONDS


_latest: dict[str, tuple[float, Found]] = {}


def figures() -> list[Figure]:
    """Return the figures with their latest values."""
    own = [
        Figure(each.name, each.help, partial(_shown, each.name, each.every_seconds), each.labels)
        for each in _ALL
    ]
    return [*own, *_QUEUES]


def _shown(name: str, every_seconds: float = EVERY_SECONDS) -> Found:
    at, found = _latest.get(name, (0.0, ()))
    return found if monotonic() - at < MOST_MISSED * every_seconds else ()


def collect(every_seconds: float | None = None) -> int:
    """Collect the figures of this interval, or all.

    Raises ``Error`` if the default database is unavailable.
    """
    for each in _ALL:
        if every_seconds not in (None, each.every_seconds):
            continue
        try:
            found = each.ask()
        except Error as error:
            if is_away(error):
                raise
            log.warning("figure not collected", figure=each.name, reason=" ".join(str(error).split())[:200])
            continue
        _latest[each.name] = monotonic(), found
    return 0


def collect_queues() -> int:
    """Ask the broker for the lengths of its queues."""
    expected = [each.queue for each in expected_queues()]
    facts = [each for each in inspect_broker(expected).queues if each.exists]
    at = monotonic()
    _latest["queue_messages"] = at, [((each.name,), each.messages) for each in facts]
    _latest["queue_readers"] = at, [((each.name,), each.consumers) for each in facts]
    return 0


@contextmanager
def _in_time(database: str = DEFAULT_DB_ALIAS) -> Iterator[None]:
    """Make the database end the transaction of this context if it takes too long."""
    with transaction.atomic(using=database):
        if connections[database].vendor == "postgresql":
            with connections[database].cursor() as cursor:
                cursor.execute(STATEMENT_TIMEOUT)
        yield


def _of_each_database(ask: Callable[[str], float]) -> Found:
    """Return the results of ``ask`` for all databases that can be reached."""
    found: list[tuple[Labels, float]] = []
    for database in databases():
        try:
            with _in_time(database):
                found.append(((database,), ask(database)))
        except Error:
            if database == DEFAULT_DB_ALIAS:
                raise
    return found


def _number(rows: QuerySet[Any]) -> float:
    return rows.order_by()[:MOST].count()


def _grouped(rows: QuerySet[Any], *columns: str) -> Found:
    """Return the number of rows for each combination of values of the columns."""
    with _in_time():
        some = rows.order_by().values("pk")[:MOST]
        grouped = rows.model._default_manager.filter(pk__in=some).order_by().values_list(*columns)
        return [(tuple(values), number) for *values, number in grouped.annotate(Count("pk"))]


def _age(moment: datetime | None, now: datetime) -> float:
    return 0.0 if moment is None else max(0.0, (now - moment).total_seconds())


def _due(database: str) -> QuerySet[OutboxMessage]:
    rows = OutboxMessage.objects.using(database).filter(published_at=None)
    return rows.filter(available_at__lte=server_time(database))


def _oldest_due(database: str) -> float:
    first = _due(database).order_by("available_at").values_list("available_at", flat=True).first()
    return _age(first, server_time_now(database))


def _failing(database: str) -> float:
    return _number(OutboxMessage.objects.using(database).filter(published_at=None, attempts__gt=0))


def _oldest_event() -> Found:
    with _in_time():
        now = server_time_now()
        return [((), max((_age(event.created_at, now) for event in unpublished_events()), default=0.0))]


def _overdue() -> Found:
    with _in_time():
        late = server_time_now() - timedelta(seconds=60)
        return [((), _number(Saga.objects.filter(look_at__lt=late)))]


def _waiting_for_staff() -> Found:
    waiting: dict[str, QuerySet[Any]] = {
        "dead_letters": DeadLetter.objects.filter(OPEN_LETTER),
        "differences": Difference.objects.filter(OPEN_DIFFERENCE),
        "flows": Saga.objects.filter(status=Saga.Status.PARKED),
        "notifications": ProviderNotification.objects.filter(state__in=NEEDS_ATTENTION, dealt_with_at=None),
    }
    with _in_time():
        return [((what,), _number(rows)) for what, rows in waiting.items()]


def _since_comparison() -> Found:
    with _in_time():
        now = server_time_now()
        ended = Reconciliation.objects.exclude(finished_at=None).order_by().values_list("account__code")
        return [((code,), _age(at, now)) for code, at in ended.annotate(Max("finished_at"))]


def _late_webhooks() -> Found:
    with _in_time():
        now = server_time_now()
        first = late_deliveries(now).order_by("next_try_at").values_list("next_try_at", flat=True).first()
        return [((), _age(first, now))]


def _failing_endpoints() -> Found:
    with _in_time():
        return [((), _number(WebhookEndpoint.objects.filter(state=ENABLED, failures__gt=0)))]


def _clock() -> Found:
    before = timezone.now()
    return [((), (server_time_now() - before).total_seconds())]


_ALL = (
    _Collected(
        "outbox_due_messages",
        "Messages that a relay should have published, 10,000 at most.",
        ("database",),
        lambda: _of_each_database(lambda database: _number(_due(database))),
    ),
    _Collected(
        "outbox_oldest_due_seconds",
        "Time since which the oldest of these messages is due.",
        ("database",),
        lambda: _of_each_database(_oldest_due),
    ),
    _Collected(
        "outbox_failing_messages",
        "Messages that could not be published and are tried again.",
        ("database",),
        lambda: _of_each_database(_failing),
    ),
    _Collected(
        "events_oldest_unpublished_seconds", "Age of the oldest unpublished event.", (), _oldest_event
    ),
    _Collected(
        "flows",
        "Flows that have not ended, 10,000 at most.",
        ("kind", "step", "status"),
        lambda: _grouped(Saga.objects.filter(status__in=UNFINISHED), "kind", "step", "status"),
        WITHOUT_INDEX_SECONDS,
    ),
    _Collected("flows_overdue", "Flows whose deadline no relay has noticed for a minute.", (), _overdue),
    _Collected(
        "waiting_for_staff",
        "Rows that wait for staff.",
        ("what",),
        _waiting_for_staff,
        WITHOUT_INDEX_SECONDS,
    ),
    _Collected(
        "reconciliation_differences",
        "Open differences between our books and the providers', by kind.",
        ("account", "kind"),
        lambda: _grouped(Difference.objects.filter(OPEN_DIFFERENCE), "account__code", "kind"),
        WITHOUT_INDEX_SECONDS,
    ),
    _Collected(
        "reconciliation_age_seconds", "Time since the last comparison ended.", ("account",), _since_comparison
    ),
    _Collected(
        "webhooks_oldest_due_seconds", "Time since which the oldest webhook is due.", (), _late_webhooks
    ),
    _Collected("webhook_endpoints_failing", "Endpoints whose last attempt failed.", (), _failing_endpoints),
    _Collected("database_clock_ahead_seconds", "Database's clock minus the relay's.", (), _clock),
)
_QUEUES = (
    Figure("queue_messages", "Messages that wait in a queue.", partial(_shown, "queue_messages"), ("queue",)),
    Figure("queue_readers", "Readers of a queue.", partial(_shown, "queue_readers"), ("queue",)),
)
