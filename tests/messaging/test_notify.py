"""Relays are woken by the database for urgent rows, and lose nothing if the wake-up does not come."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import psycopg
import pytest
from django.db import DEFAULT_DB_ALIAS, connection, transaction

from checkout.payments.dead_letters import keep
from checkout.payments.models import OutboxMessage
from messaging.concurrency.database import in_thread
from messaging.outbox import notify
from messaging.outbox.cause import leave_to_relay
from messaging.outbox.models import enqueue
from messaging.outbox.notify import Bell, _listen_once, listen, pause_seconds, ring_now_and_then
from messaging.outbox.relay import Relay
from messaging.outbox.rows import OutboxRows
from tests.support import environment
from tests.support.brokers import Inbox, MemoryLab, within
from tests.support.services import Greet, until

T = TypeVar("T")

A_LONG_TIME = 3600.0


def write(delay_seconds: float | None = 0) -> None:
    enqueue(OutboxMessage, "greeter", "greet", Greet("you"), delay_seconds=delay_seconds)


def listening_connection() -> psycopg.Connection[tuple[object, ...]]:
    parameters = connection.get_connection_params()
    return psycopg.connect(
        autocommit=True, **{name: parameters[name] for name in ("dbname", "user", "password", "host", "port")}
    )


def end_listeners() -> int:
    """End the listening database sessions, as an operator or a restart does. Return their number."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND query LIKE 'LISTEN%'"
        )
        return int(cursor.fetchone()[0])


@asynccontextmanager
async def listening() -> AsyncIterator[Bell]:
    """Listen as a relay does. Yields the event that wakes the relay."""
    woken = Bell()
    task = asyncio.create_task(listen(OutboxMessage, woken))
    await within(woken.wait())
    woken.clear()
    try:
        yield woken
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def relays(lab: MemoryLab, number: int, poll_seconds: float = A_LONG_TIME) -> AsyncIterator[Inbox]:
    """Run relays, and yield the inbox of the messages that they publish."""
    inbox = Inbox()
    broker = await lab.broker()
    queue = broker.topology.service_queue("greeter")
    await broker.declare(queue)
    await broker.consume(queue.name, inbox, prefetch=100, auto_ack=True)
    stop = asyncio.Event()
    running = [
        asyncio.create_task(
            Relay(await lab.broker(), OutboxRows(OutboxMessage, keep), poll_seconds=poll_seconds).run(stop)
        )
        for _ in range(number)
    ]
    try:
        yield inbox
    finally:
        stop.set()
        await within(asyncio.gather(*running))


@pytest.mark.parametrize(
    ("due_in", "poll", "pause"),
    [
        (math.inf, 0.5, 5),
        (3, 0.5, 3),
        (0.1, 0.5, 0.5),
        (-60, 0.5, 0.5),
        (math.inf, 0.05, 0.5),
        (math.inf, 30, 30),
        (1, 30, 30),
    ],
)
def test_a_look_comes_when_something_is_due_and_every_few_seconds(due_in: float, poll: float, pause: float):
    assert pause_seconds(due_in, poll) == pause


def in_transaction(act: Callable[[], T]) -> T:
    with transaction.atomic():
        return act()


class TestOnPostgresql:
    pytestmark = [pytest.mark.postgresql, pytest.mark.django_db(transaction=True)]

    async def test_what_is_to_be_sent_at_once_does_not_wait_for_the_poll(self, lab: MemoryLab):
        async with relays(lab, 2) as inbox:
            for _ in range(3):
                await in_thread(in_transaction, write)
                assert (await inbox.next()).envelope.type == "greet"

    async def test_a_lost_connection_is_made_anew_and_what_came_meanwhile_is_found(self, lab: MemoryLab):
        async with relays(lab, 1) as inbox:
            await in_thread(write)
            await inbox.next()
            assert await until(end_listeners) == 1
            await in_thread(write)
            await inbox.next()

    @pytest.mark.parametrize(("delay_seconds", "rings"), [(1, True), (6, False), (None, False)])
    async def test_what_a_relay_that_looks_seldom_would_find_too_late_rings(self, delay_seconds, rings):
        async with listening() as woken:
            await in_thread(write, delay_seconds)
            if not rings:
                await in_thread(write)
            await within(woken.wait())

    async def test_what_a_worker_leaves_to_the_relay_rings(self):
        async with listening() as woken:
            await in_thread(leave_to_relay, OutboxMessage, DEFAULT_DB_ALIAS, message_id="1")
            await within(woken.wait())

    async def test_rows_that_polls_find_do_not_ring_each_time(self, monkeypatch):
        monkeypatch.setattr(notify, "monotonic", lambda: 1000.0)
        async with listening() as woken:
            await in_thread(in_transaction, lambda: ring_now_and_then(OutboxMessage))
            await within(woken.wait())
            woken.clear()
            await in_thread(in_transaction, lambda: ring_now_and_then(OutboxMessage))
            monkeypatch.setattr(notify, "monotonic", lambda: 1002.0)
            await in_thread(in_transaction, lambda: ring_now_and_then(OutboxMessage))
            await within(woken.wait())

    async def test_without_a_connection_a_relay_knows_that_it_hears_nothing(self):
        async with listening() as woken:
            assert woken.is_heard
            assert await until(end_listeners) == 1
            async with asyncio.timeout(20):
                while woken.is_heard:  # noqa: ASYNC110  nobody announces it
                    await asyncio.sleep(0.01)
            await within(woken.wait())
            assert woken.is_heard

    async def test_a_wake_up_follows_each_time(self):
        async with listening() as woken:
            for _ in range(2):
                await in_thread(write)
                await within(woken.wait())
                woken.clear()

    async def test_a_server_that_was_fenced_is_not_listened_to(self):
        fenced = {
            "conninfo": environment.database_url(),
            "options": "-c default_transaction_read_only=on",
        }
        with pytest.raises(psycopg.OperationalError, match="can only be read"):
            await within(_listen_once(fenced, "payments_outboxmessage", Bell()))

    def test_only_what_is_committed_and_due_at_once_wakes_anybody(self):
        with listening_connection() as listener:
            listener.execute("LISTEN payments_outboxmessage")
            listener.execute("LISTEN the_end")
            with pytest.raises(RuntimeError), transaction.atomic():  # noqa: PT012
                write()
                raise RuntimeError
            write(delay_seconds=None)  # its creator publishes it
            write(delay_seconds=60)
            in_transaction(write)
            with connection.cursor() as cursor:
                cursor.execute("NOTIFY the_end")
            heard = []
            for notice in listener.notifies(timeout=20):
                heard.append(notice.channel)
                if notice.channel == "the_end":
                    break
        assert heard == ["payments_outboxmessage", "the_end"]

    def test_a_wake_up_that_fails_does_not_undo_or_hide_what_was_committed(self, monkeypatch):
        def lost(*_arguments: object) -> None:
            raise psycopg.OperationalError("the connection is lost")

        monkeypatch.setattr("messaging.outbox.notify._notify", lost)
        in_transaction(write)
        assert OutboxMessage.objects.count() == 1


@pytest.mark.django_db(transaction=True)
async def test_without_a_database_that_tells_the_poll_does_it_all(lab: MemoryLab):
    async with relays(lab, 1, poll_seconds=0.02) as inbox:
        await in_thread(write)
        await inbox.next()
        await in_thread(write)
        await inbox.next()
