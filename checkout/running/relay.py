"""The relay process: it publishes the outboxes and the events, stores dead letters, and runs the timers."""

import asyncio
from collections.abc import Callable
from functools import partial

from django.db import DEFAULT_DB_ALIAS

from checkout.api.requests.idempotency import delete_expired_answers
from checkout.backoffice.log_in.second_factor.devices import seal_secrets_again
from checkout.conf import conf
from checkout.database.owners import databases
from checkout.payments import dead_letters
from checkout.payments.events.log import EventLog
from checkout.payments.models import OutboxMessage
from checkout.payments.timers import timer
from checkout.payments.timers.abandoned import expire_abandoned
from checkout.payments.timers.authorisations import void_expired
from checkout.payments.timers.cards.deletion import delete_tokens
from checkout.payments.timers.cards.resealing import seal_tokens_again
from checkout.payments.timers.clock_skew import correct_clock_skew
from checkout.payments.timers.deadlines import enqueue_passed_deadlines
from checkout.payments.timers.due_checks import (
    deadlines_due_in,
    notifications_due_in,
    tokens_due_in,
)
from checkout.payments.timers.expired_counters import delete_expired_counters
from checkout.payments.timers.figures import count_changed_hours
from checkout.payments.timers.ledger_days import count_changed_days
from checkout.payments.timers.lost_commands import send_lost_again
from checkout.payments.timers.retention import (
    delete_expired_events,
    delete_expired_messages,
    delete_expired_notifications,
)
from checkout.payments.timers.timer import Timer
from checkout.payments.timers.unmatched import try_unmatched_again
from checkout.payments.timers.unstarted import give_up_unstarted
from checkout.reconciliation import reconcile_when_due
from checkout.running.observing import figures_timers
from messaging.broker import Broker
from messaging.dead_letters.consumer import DeadLetterConsumer
from messaging.outbox.relay import Relay
from messaging.outbox.rows import OutboxRows

# The interval of timers that rarely have work, but should do it soon.
SOON_SECONDS = 5.0
# The longest interval of timers for work that is due after hours or days, and the interval of counting
# figures.
SELDOM_SECONDS = 30.0
# The interval of timers that only free storage.
RARELY_SECONDS = 600.0


async def run_relay(broker: Broker, stop: asyncio.Event, *, with_upkeep: bool = True) -> None:
    """Work until ``stop`` is set, then finish the round. Any number of relays may run at once.

    ``with_upkeep`` is described at ``timers``.
    """
    # The relays publish to the same exchanges, so they share the times at which these accepted a message.
    accepted_at: dict[str, float] = {}
    async with asyncio.TaskGroup() as group:
        for database in databases():
            rows = OutboxRows(OutboxMessage, dead_letters.keep, database=database)
            relay = Relay(broker, rows, accepted_at=accepted_at)
            group.create_task(relay.run(stop), name="outbox")
        events = Relay(broker, EventLog(), accepted_at=accepted_at)
        group.create_task(events.run(stop), name="events")
        group.create_task(DeadLetterConsumer(broker, dead_letters.keep).run(stop), name="dead letters")
        chosen = [*timers(stop, with_upkeep=with_upkeep), *figures_timers()]
        group.create_task(timer.run(chosen, stop), name="timers")


def timers(stop: asyncio.Event, *, with_upkeep: bool = True) -> list[Timer]:
    """Return all timers or, without ``with_upkeep``, only those that payments need.

    A comparison of the books ends when ``stop`` is set. Work in every database has one timer for each
    database, so that an unavailable database does not stop the work in others.
    """
    return [
        Timer("deadlines", enqueue_passed_deadlines, conf.relay_poll_seconds, deadlines_due_in),
        *_in_every_database("messages from the future", correct_clock_skew, SOON_SECONDS),
        Timer(
            "unmatched notifications",
            try_unmatched_again,
            conf.relay_poll_seconds,
            notifications_due_in,
        ),
        Timer("tokens to delete", delete_tokens, conf.relay_poll_seconds, tokens_due_in),
        Timer("attempts that never began", give_up_unstarted, _pace(conf.service_wait.total_seconds())),
        Timer("commands that were lost", send_lost_again, _pace(conf.service_wait.total_seconds())),
        Timer("abandoned payments", expire_abandoned, _pace(conf.checkout_lifetime.total_seconds())),
        Timer("expired authorisations", void_expired, _pace(conf.authorisation_lifetime.total_seconds())),
        *(_upkeep(stop) if with_upkeep else ()),
    ]


def _upkeep(stop: asyncio.Event) -> list[Timer]:
    """Return the timers that payments do not need: they delete old data, count, and compare the books."""

    def reconcile() -> int:
        return len(reconcile_when_due(stop.is_set))

    retention_seconds = _pace(conf.retention.total_seconds(), longest=RARELY_SECONDS)
    return [
        *_in_every_database("old messages", delete_expired_messages, retention_seconds),
        Timer("old notifications", delete_expired_notifications, retention_seconds),
        Timer("old events", delete_expired_events, _pace(conf.event_retention.total_seconds())),
        Timer("tokens under an earlier secret key", seal_tokens_again, RARELY_SECONDS),
        Timer("secrets of authenticator apps", seal_secrets_again, RARELY_SECONDS),
        Timer("answers of the API", delete_expired_answers, RARELY_SECONDS),
        Timer("what was counted", delete_expired_counters, RARELY_SECONDS),
        Timer("figures", count_changed_hours, SELDOM_SECONDS),
        Timer("totals of the ledger", count_changed_days, SELDOM_SECONDS),
        Timer("reconciliation", reconcile, _pace(conf.reconciliation_interval.total_seconds())),
    ]


def _in_every_database(name: str, act: Callable[[str], int], every_seconds: float) -> list[Timer]:
    return [
        Timer(
            name if database == DEFAULT_DB_ALIAS else f"{name} of {database}",
            partial(act, database),
            every_seconds,
        )
        for database in databases()
    ]


def _pace(seconds: float, *, longest: float = SELDOM_SECONDS) -> float:
    """Return the polling interval for work that becomes due after this number of seconds."""
    return min(longest, max(conf.relay_poll_seconds, seconds / 10))
