"""The webhooks process: it creates deliveries of events, sends them, and looks after the endpoints."""

import asyncio

from checkout.payments.models import InboxMessage, OutboxMessage
from checkout.payments.timers import timer
from checkout.payments.timers.timer import Timer
from checkout.webhooks import deliveries, keys, notices
from checkout.webhooks.sending.client import Client
from checkout.webhooks.sending.sender import Sender
from checkout.webhooks.service import EndpointCache, service
from messaging.broker import Broker
from messaging.worker.worker import Worker

# The longest time that the first events after a merchant's first endpoint wait for their deliveries.
CACHE_SECONDS = 1.0
SWEEP_SECONDS = 15.0
NOTICES_SECONDS = 30.0
TIDY_SECONDS = 600.0


async def run_webhooks(broker: Broker, stop: asyncio.Event, *, with_upkeep: bool = True) -> None:
    """Work until ``stop`` is set, then finish the work that has begun. Several processes may run at once.

    ``with_upkeep`` is described at ``timers``.
    """
    cache = EndpointCache()
    listener = Worker(
        broker,
        service,
        inbox_model=InboxMessage,
        outbox_model=OutboxMessage,
        ignores=cache.ignores,
    )
    client = Client()
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(listener.run(stop), name="webhooks")
            group.create_task(Sender(client).run(stop), name="sender of webhooks")
            group.create_task(
                timer.run(timers(cache, with_upkeep=with_upkeep), stop), name="timers of webhooks"
            )
    finally:
        await client.close()


def timers(cache: EndpointCache, *, with_upkeep: bool = True) -> list[Timer]:
    """Return the timers of webhooks. Without ``with_upkeep``, those that delete old rows are left out."""
    upkeep = [
        Timer("old webhooks", deliveries.delete_expired, TIDY_SECONDS),
        Timer("deleted webhook endpoints", deliveries.delete_removed_endpoints, TIDY_SECONDS),
        Timer("webhook secrets", keys.tidy_secrets, TIDY_SECONDS),
    ]
    return [
        Timer("new webhook endpoints", cache.refresh, CACHE_SECONDS),
        Timer("events without webhooks", deliveries.sweep, SWEEP_SECONDS),
        Timer("webhook endpoints that fail", notices.look_after_endpoints, NOTICES_SECONDS),
        *(upkeep if with_upkeep else ()),
    ]
