"""Fixtures for services on the in-memory broker with a real database."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from checkout.payments.models import InboxMessage, OutboxMessage
from messaging.broker import Broker
from messaging.registry import close_brokers
from messaging.worker.service import Service
from messaging.worker.worker import Worker
from tests.support.brokers import MemoryLab, within


@pytest.fixture
async def lab(settings) -> AsyncIterator[MemoryLab]:
    lab = MemoryLab()
    settings.BROKER_URL, settings.MESSAGING_PREFIX = lab.url, lab.prefix
    settings.CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "messaging.channels.layer.RabbitmqChannelLayer",
            "CONFIG": {"url": lab.url, "prefix": lab.prefix},
        }
    }
    yield lab
    await close_brokers()
    await lab.close()


@asynccontextmanager
async def at_work(
    broker: Broker,
    service: Service,
    *,
    concurrency: int = 2,
    ignores: Callable[[Any], bool] | None = None,
) -> AsyncIterator[asyncio.Event]:
    """Run the service within the block. Yields an event that stops it earlier."""
    stop = asyncio.Event()
    worker = Worker(
        broker,
        service,
        inbox_model=InboxMessage,
        outbox_model=OutboxMessage,
        concurrency=concurrency,
        ignores=ignores,
    )
    running = asyncio.create_task(worker.run(stop))
    try:
        yield stop
    finally:
        stop.set()
        await within(running)
