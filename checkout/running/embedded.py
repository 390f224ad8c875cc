"""Everything in one process: services, relay and sender of webhooks run beside the web application.

They share its event loop. For ``BROKER_URL=memory://`` only. Queued messages are lost with the process. After
the next start, each flow repeats its question when the time for the answer is over.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from checkout.own.packages import own_services
from checkout.running.relay import run_relay
from checkout.running.services import SERVICES, run_services
from checkout.running.webhooks import run_webhooks
from messaging.registry import get_broker

# The programs that run inside the web process.
PROGRAMS = ("relay", "webhooks", *SERVICES)


@asynccontextmanager
async def running(*, with_upkeep: bool = True) -> AsyncIterator[None]:
    """Run all of them inside this context. On leaving it, they finish the work that has begun.

    Without ``with_upkeep``, the timers that no payment waits for do not run.

    Raises ImproperlyConfigured if a service of your own cannot be run.
    """
    own_services()
    broker = get_broker()
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(run_services(SERVICES, broker, stop))
        group.create_task(run_relay(broker, stop, with_upkeep=with_upkeep))
        group.create_task(run_webhooks(broker, stop, with_upkeep=with_upkeep))
        try:
            yield
        finally:
            stop.set()
