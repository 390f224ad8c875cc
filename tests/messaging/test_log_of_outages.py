"""While RabbitMQ is away, its absence is a warning in the log: errors are for what needs somebody."""

import asyncio
import logging

import pytest

from messaging.rabbitmq.broker import RabbitmqBroker
from messaging.rabbitmq.connection import supervisor

pytestmark = pytest.mark.rabbitmq


async def failures_of(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a broker connect there until it has failed twice."""
    failed = asyncio.Event()
    pauses = []
    warning = supervisor.log.warning

    def noted(event: str, **values: object) -> None:
        warning(event, **values)
        pauses.append(event)
        if len(pauses) > 3:
            failed.set()

    monkeypatch.setattr(supervisor.log, "warning", noted, raising=False)
    broker = RabbitmqBroker(url, "checkout")
    try:
        await broker.start()
        await asyncio.wait_for(failed.wait(), 20)
    finally:
        await broker.close()


@pytest.mark.parametrize("is_refused", [True, False], ids=["wrong password", "no broker"])
async def test_no_try_to_connect_is_an_error(rabbitmq_url, monkeypatch, caplog, is_refused):
    caplog.set_level(logging.INFO)
    wrong = rabbitmq_url.replace("://guest:guest@", "://guest:wrong@")
    assert wrong != rabbitmq_url
    await failures_of(wrong if is_refused else "amqp://guest:guest@127.0.0.1:1/", monkeypatch)
    assert [record for record in caplog.records if "broker connection down" in record.getMessage()]
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
