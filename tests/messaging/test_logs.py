"""Lines that the log omits: pika's about connections, and too many lines that others can cause."""

import asyncio
import logging
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.conf import settings
from django.utils.module_loading import import_string

from messaging.envelope import Envelope
from messaging.errors import PublishUncertain
from messaging.logs.connection_failures import WithoutConnectionFailures
from messaging.logs.limited import MOST, SECONDS, write_limited
from messaging.rabbitmq.broker import RabbitmqBroker
from tests.support.brokers import lost, within

SOCKETS = "pika.adapters.utils.io_services_utils"


class Lines(logging.Handler):
    """A handler that stores records, with the filters of the one that the settings define."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []
        configured: Any = settings.LOGGING
        for name in configured["handlers"]["stderr"]["filters"]:
            self.addFilter(import_string(configured["filters"][name]["()"])())

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    def of(self, level: int) -> list[str]:
        return [str(record.msg) for record in self.records if record.levelno == level]


@pytest.fixture
def lines() -> Iterator[Lines]:
    handler = Lines()
    logging.getLogger().addHandler(handler)
    yield handler
    logging.getLogger().removeHandler(handler)


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[RabbitmqBroker]:
    broker = RabbitmqBroker(url, "shop")
    broker.open()
    try:
        await within(broker.wait_connected())
        yield broker
    finally:
        await broker.close()


async def is_refused(url: str) -> None:
    broker = RabbitmqBroker(url, "shop")
    broker.open()
    await within(broker.first_attempt())
    await broker.close()


async def test_a_broker_that_is_away_is_one_error(lines: Lines):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        await is_refused(f"amqp://127.0.0.1:{unused.getsockname()[1]}/")
    [line] = lines.of(logging.ERROR)
    assert "broker not reachable" in line


@pytest.mark.rabbitmq
async def test_a_broker_that_refuses_a_password_is_one_error_and_the_reason_is_named(
    rabbitmq_url: str, lines: Lines
):
    parts = urlsplit(rabbitmq_url)
    wrong = f"{parts.username}:wrong@{parts.hostname}:{parts.port}"
    await is_refused(urlunsplit(parts._replace(netloc=wrong)))
    [line] = lines.of(logging.ERROR)
    assert "Login was refused" in line


@pytest.mark.rabbitmq
async def test_a_lost_connection_is_no_error(rabbitmq_url: str, lines: Lines):
    async with connected(rabbitmq_url) as broker:
        for supervisor in (broker._publishing, broker._consuming):
            assert supervisor.link is not None
            supervisor.link._connection._transport._sock.shutdown(socket.SHUT_RDWR)  # type: ignore[attr-defined]
        await within(lost(broker))
    assert not lines.of(logging.ERROR)


async def test_a_connection_that_is_closed_while_it_is_being_opened_is_no_error(lines: Lines):
    connected = asyncio.Event()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(8)  # the client's first bytes, with its version of AMQP
        connected.set()
        await reader.read()
        writer.close()

    async with await asyncio.start_server(say_nothing, "127.0.0.1") as silent:
        broker = RabbitmqBroker(f"amqp://127.0.0.1:{silent.sockets[0].getsockname()[1]}/", "shop")
        broker.open()
        await within(connected.wait())
        await broker.close()
        for _ in range(10):  # pika's callbacks follow one another in turns of the loop
            await asyncio.sleep(0)
    assert not lines.of(logging.ERROR)


@pytest.mark.rabbitmq
async def test_a_refusal_to_publish_is_logged_with_its_reason(rabbitmq_url: str, lines: Lines):
    async with connected(rabbitmq_url) as broker:
        with pytest.raises(PublishUncertain):
            await broker.publish("no.such.exchange", "x", Envelope(type="t", body=b"{}"), timeout_seconds=10)
    (line,) = (text for text in lines.of(logging.WARNING) if "publishing channel closed" in text)
    assert "NOT_FOUND" in line


def test_the_error_of_a_callback_is_kept():
    def record_of(error: Exception | None) -> logging.LogRecord:
        try:
            if error is not None:
                raise error
        except Exception:
            return logging.LogRecord(SOCKETS, logging.ERROR, "", 0, "failed", (), sys.exc_info())
        return logging.LogRecord(SOCKETS, logging.ERROR, "", 0, "failed", (), None)

    is_written = WithoutConnectionFailures().filter
    assert is_written(record_of(AttributeError("a defect")))
    assert not is_written(record_of(ConnectionResetError()))
    assert not is_written(record_of(None))


def test_only_so_many_lines_of_one_event_are_written_and_the_next_says_how_many_were_not(monkeypatch):
    written: list[dict[str, object]] = []

    def write(event: str, **fields: object) -> None:
        written.append({"event": event, **fields})

    now = 1000.0
    monkeypatch.setattr("messaging.logs.limited.time.monotonic", lambda: now)
    for number in range(MOST + 7):
        write_limited(write, "a flood", number=number)
    write_limited(write, "another event")
    assert [line.get("number") for line in written] == [*range(MOST), None]
    now += SECONDS
    for number in range(2):
        write_limited(write, "a flood", number=number)
    assert written[-2:] == [
        {"event": "a flood", "number": 0, "left_out": 7},
        {"event": "a flood", "number": 1},
    ]
