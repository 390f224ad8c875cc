"""Run services on the running event loop: each with a worker, all with one broker connection."""

import asyncio
from collections.abc import Iterable

from checkout.models import InboxMessage, OutboxMessage
from checkout.services import SERVICES
from messaging.broker import Broker
from messaging.worker.worker import Worker


async def run_services(names: Iterable[str], broker: Broker, stop: asyncio.Event) -> None:
    """Run the workers until ``stop`` is set, then finish what has begun. Raise as soon as a worker fails."""
    async with asyncio.TaskGroup() as group:
        for name in names:
            worker = Worker(broker, SERVICES[name], inbox_model=InboxMessage, outbox_model=OutboxMessage)
            group.create_task(worker.run(stop), name=name)
