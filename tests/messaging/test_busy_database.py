"""Messages during a busy or locked database: they are held for a shorter time than in an outage."""

import pytest
import structlog
from django.contrib.auth.models import Group
from django.db import connection

from messaging.concurrency import database
from messaging.concurrency.database import in_thread
from messaging.worker import worker
from messaging.worker.service import Message, Service
from tests.messaging.conftest import at_work
from tests.support.brokers import MemoryLab
from tests.support.services import Client, Greet, Greeted

pytestmark = [pytest.mark.postgresql, pytest.mark.django_db(transaction=True)]

SLOW = "SELECT pg_sleep(20)"


def raising(sqlstate: str) -> str:
    return f"DO $$ BEGIN RAISE EXCEPTION 'in the way' USING ERRCODE = '{sqlstate}'; END $$"


def hindered(sql: str, *, times: int | None = None) -> tuple[Service, list[int]]:
    """Return a service that executes ``sql``, always or so many times, and the list of its attempts."""
    service, attempts = Service("hindered"), []

    @service.command("greet")
    def greet(body: Greet, message: Message) -> Greeted:
        Group.objects.create(name="effect")
        attempts.append(1)
        if times is None or len(attempts) <= times:
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL statement_timeout = '20ms'")
                cursor.execute(sql)
        return Greeted("at last")

    return service, attempts


async def test_a_statement_that_is_always_too_slow_becomes_a_dead_letter_soon(
    lab: MemoryLab, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(worker, "OUTAGE_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(worker, "LONGEST_BUSY_SECONDS", 0.1)
    monkeypatch.setattr(worker, "DELIVERY_LIMIT", 2)
    service, _ = hindered(SLOW)
    client = await Client(await lab.broker()).start()
    async with at_work(await lab.broker(), service):
        await client.send("hindered", client.command("greet"))
        letter = (await client.dead.next()).envelope
    assert letter is not None
    assert letter.headers["dead-reason"] == "2 attempts failed"


@pytest.mark.parametrize("sql", [SLOW, *map(raising, ("40001", "40P01", "55P03"))])
async def test_a_database_that_is_busy_for_a_while_uses_up_no_attempts(
    lab: MemoryLab, monkeypatch: pytest.MonkeyPatch, sql: str
):
    monkeypatch.setattr(worker, "OUTAGE_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(worker, "DELIVERY_LIMIT", 2)
    service, attempts = hindered(sql, times=6)
    client = await Client(await lab.broker()).start()
    async with at_work(await lab.broker(), service):
        await client.send("hindered", client.command("greet"))
        assert (await client.reply()).result == {"text": "at last"}
    assert len(attempts) == 7
    assert await in_thread(Group.objects.count) == 1


async def test_a_handler_that_may_have_had_effects_elsewhere_is_not_repeated_more_often_than_its_message(
    lab: MemoryLab, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(worker, "OUTAGE_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(worker, "FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(worker, "DELIVERY_LIMIT", 3)
    service = Service("hindered")
    attempts: list[int] = []

    @service.command("greet", transactional=False)
    def greet(body: Greet, message: Message) -> Greeted:
        attempts.append(1)
        if len(attempts) < 20:
            with connection.cursor() as cursor:
                cursor.execute(raising("40P01"))
        return Greeted("at last")

    client = await Client(await lab.broker()).start()
    async with at_work(await lab.broker(), service):
        await client.send("hindered", client.command("greet"))
        letter = (await client.dead.next()).envelope
    assert letter is not None
    assert letter.headers["dead-reason"] == "3 attempts failed"
    assert len(attempts) == 3


async def test_the_time_of_a_busy_database_begins_after_an_outage(
    lab: MemoryLab, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(worker, "OUTAGE_PAUSE_SECONDS", 0.3)
    monkeypatch.setattr(worker, "LONGEST_BUSY_SECONDS", 0.2)
    monkeypatch.setattr(database, "_outages", {})
    service, failures = Service("hindered"), iter(["08006", "40P01"])

    @service.command("greet")
    def greet(body: Greet, message: Message) -> Greeted:
        for sqlstate in failures:
            with connection.cursor() as cursor:
                cursor.execute(raising(sqlstate))
        return Greeted("at last")

    with structlog.testing.capture_logs() as lines:
        client = await Client(await lab.broker()).start()
        async with at_work(await lab.broker(), service):
            await client.send("hindered", client.command("greet"))
            assert (await client.reply()).result == {"text": "at last"}
    events = [line["event"] for line in lines if line["event"].startswith(("database", "attempt"))]
    assert events == ["database not reachable", "database busy, trying again"]
