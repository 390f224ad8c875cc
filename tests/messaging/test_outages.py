"""An outage is in the log once, as an error, and once more when it is over."""

import asyncio
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
import structlog
from django.contrib.auth.models import Group
from django.db import OperationalError
from structlog.typing import EventDict

from checkout.payments.timers import timer
from checkout.payments.timers.timer import Timer
from messaging.concurrency import database
from messaging.concurrency.database import in_thread
from messaging.logs.outage import Outage
from messaging.worker import worker
from messaging.worker.service import Message, Service
from tests.messaging.conftest import at_work
from tests.support.brokers import MemoryLab, within
from tests.support.database_link import connecting_anew, linked
from tests.support.services import Client, Greet, Greeted


@pytest.fixture
def lines() -> Iterator[list[EventDict]]:
    with structlog.testing.capture_logs() as lines:
        yield lines


def loud(lines: list[EventDict]) -> list[EventDict]:
    """Return the lines that somebody may have to look at."""
    return [line for line in lines if line["log_level"] not in ("debug", "info")]


async def over(lines: list[EventDict], what: str) -> str:
    """Wait for the end of an outage, and return the lines about it."""
    beginning = f"{what} reachable again after "
    while not (ends := [str(line["event"]) for line in lines if str(line["event"]).startswith(beginning)]):  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    return ends[0]


def test_only_the_first_failure_and_the_end_are_told(lines: list[EventDict], monkeypatch: pytest.MonkeyPatch):
    now = 1000.0
    monkeypatch.setattr("messaging.logs.outage.time", SimpleNamespace(monotonic=lambda: now))
    provider = Outage("provider", host="example.com")
    provider.answered()
    for _ in range(300):
        provider.failed("no connection")
        now += 0.11
    provider.answered()
    now += 3
    provider.answered()
    assert lines == [
        {
            "event": "provider not reachable",
            "log_level": "error",
            "host": "example.com",
            "reason": "no connection",
        },
        {
            "event": "provider reachable again after 33 s",
            "log_level": "warning",
            "host": "example.com",
            "failures": 300,
        },
    ]


def test_successes_between_failures_do_not_end_an_outage(
    lines: list[EventDict], monkeypatch: pytest.MonkeyPatch
):
    now = 1000.0
    monkeypatch.setattr("messaging.logs.outage.time", SimpleNamespace(monotonic=lambda: now))
    flapping = Outage("database", database="default")
    for _ in range(100):
        flapping.failed("too many connections")
        now += 1
        flapping.answered()
    assert len(lines) == 1


@pytest.fixture
def anew(transactional_db: None) -> Iterator[None]:
    """Make all connections again, and forget outages of earlier tests."""
    with connecting_anew():
        yield


@pytest.mark.postgresql
@pytest.mark.usefixtures("anew")
async def test_an_outage_of_the_database_is_one_error_whatever_asks_it(
    lab: MemoryLab, lines: list[EventDict], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    """A service, a timer and requests query it again and again."""
    monkeypatch.setattr(database, "_outages", {})
    monkeypatch.setattr(worker, "OUTAGE_PAUSE_SECONDS", 0.1)
    service, stop = Service("patient"), asyncio.Event()

    @service.command("greet")
    def greet(body: Greet, message: Message) -> Greeted:
        return Greeted(f"there are {Group.objects.count()}")

    client = await Client(await lab.broker()).start()
    async with linked() as link, at_work(await lab.broker(), service):
        timers = asyncio.create_task(timer.run([Timer("count", Group.objects.count, 0.1)], stop))
        await in_thread(Group.objects.count)
        await link.refuse()
        await client.send("patient", client.command("greet"))
        for _ in range(2):
            with pytest.raises(OperationalError):
                await in_thread(Group.objects.count)
        await link.accept()
        assert (await client.reply()).result == {"text": "there are 0"}
        await within(over(lines, "database"))
        stop.set()
        await timers
    errors = [line for line in lines if line["log_level"] == "error"]
    assert [(line["event"], line["database"]) for line in errors] == [("database not reachable", "default")]
    assert len(loud(lines)) == 2, loud(lines)
    assert not [record for record in caplog.records if record.name == "psycopg.pool"]
