"""Statements that are repeated for ever use an index, however large their tables have become."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection

from checkout.payments.dead_letters import keep
from checkout.payments.events.log import EventLog
from checkout.payments.models import EventPosition, OutboxMessage
from checkout.running.relay import timers
from checkout.webhooks.sending.claims import claim
from messaging.outbox.rows import OutboxRows
from tests.support.plans import unindexed

pytestmark = [pytest.mark.django_db, pytest.mark.postgresql]

# Tables that have a few rows in every installation, or get them only after a failure.
SMALL = {
    "axes_accessattempt",
    "backoffice_authenticatorapp",
    "payments_deadletter",
    "payments_eventposition",
    "payments_merchant",
    "payments_provideraccount",
    "payments_retentionwalk",
    "webhooks_webhookendpoint",
}
# The SQL and its parameters.
Statement = tuple[str, tuple[object, ...]]
PLANNED = ("SELECT ", "UPDATE ", "DELETE ", "WITH ")


@pytest.fixture(autouse=True)
def _as_new(db: None) -> None:
    """Make the tables as small as in a new installation, and erase the planner's statistics.

    Rows that other tests wrote and rolled back still take space, on which plans depend.
    """
    tables = ", ".join(map(connection.ops.quote_name, connection.introspection.django_table_names()))
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {tables}")
        cursor.execute("DELETE FROM pg_statistic")


@contextmanager
def statements() -> Iterator[list[Statement]]:
    """Yield a list to which the statements of this thread's connection are added."""
    told: list[Statement] = []

    def tell(execute: Callable[..., Any], sql: str, parameters: Any, *rest: Any) -> Any:
        if sql.startswith(PLANNED) and "pg_" not in sql:
            told.append((sql, tuple(parameters or ())))
        return execute(sql, parameters, *rest)

    with connection.execute_wrapper(tell):
        yield told


def slow(told: list[Statement]) -> list[str]:
    """Return the statements that read a large table from end to end."""
    found = [(sql, sorted({*unindexed(sql, parameters)} - SMALL)) for sql, parameters in told]
    return [f"{', '.join(tables)}: {sql}" for sql, tables in found if tables]


def test_timers_find_their_work_by_an_index():
    EventPosition.objects.create(pk=1, last_pk=0)
    found = []
    for timer in timers(asyncio.Event()):
        with statements() as told:
            if timer.due_in is not None:
                timer.due_in()
            if not asyncio.iscoroutinefunction(timer.act):
                timer.act()
        found += [f"{timer.name}: {each}" for each in slow(told)]
    assert not found, "\n\n".join(found)


def test_relays_and_the_sender_of_webhooks_find_what_is_due_by_an_index():
    EventPosition.objects.create(pk=1, last_pk=0)
    with statements() as told:
        OutboxRows(OutboxMessage, keep).take()
        OutboxRows(OutboxMessage, keep).postpone_refused_events()
        EventLog().take()
        claim(8, 8, 8, {}, {})
    assert any("webhooks_delivery" in sql for sql, _ in told)
    assert any("payments_outboxmessage" in sql for sql, _ in told)
    assert any("payments_event" in sql for sql, _ in told)
    assert not slow(told), "\n\n".join(slow(told))
