"""The services that receive messages report a wrong clock, at intervals."""

import time

import pytest
import structlog
from msgspec.structs import replace

from messaging.envelope import Envelope
from messaging.worker import clocks, message
from tests.messaging.conftest import at_work
from tests.messaging.test_worker import client_of, greeter
from tests.support.brokers import MemoryLab

HOUR = 3600


@pytest.fixture(autouse=True)
def _new_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(message, "watch", clocks.ClockWatch())


@pytest.mark.django_db(transaction=True)
async def test_a_service_handles_a_message_from_the_future_and_reports_it(lab: MemoryLab):
    client = await client_of(lab)
    with structlog.testing.capture_logs() as lines:
        async with at_work(await lab.broker(), greeter()):
            for _ in range(2):
                sent = replace(client.command("greet"), timestamp=int(time.time()) + HOUR)
                await client.send("greeter", sent)
                await client.reply_envelope()
    [line] = [line for line in lines if line["event"] == "message from the future"]
    assert (line["log_level"], line["type"]) == ("error", "greet")
    assert HOUR - 60 < line["seconds"] <= HOUR


def test_an_old_message_and_a_small_difference_are_no_fault():
    watch = clocks.ClockWatch()
    with structlog.testing.capture_logs() as lines:
        for apart in (-HOUR, 0, clocks.MOST_SECONDS_APART - 1):
            watch.look_at(Envelope(type="greet", body=b"{}", timestamp=int(time.time()) + apart))
    assert not lines


def test_a_difference_that_lasts_is_reported_again(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(clocks, "TOLD_EVERY_SECONDS", 0.0)
    watch = clocks.ClockWatch()
    with structlog.testing.capture_logs() as lines:
        for _ in range(2):
            watch.look_at(Envelope(type="greet", body=b"{}", timestamp=int(time.time()) + HOUR))
    assert len(lines) == 2
