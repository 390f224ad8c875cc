"""Everything in one process: services, relay and sender of webhooks run beside the web application.

They share its event loop. This is for ``BROKER_URL=memory://`` only. Queued messages are lost with the
process. After the next start, each saga repeats its command when the time for the reply is over.
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
    """Run all programs within this context. At its end, they finish the work that has begun.

    Without ``with_upkeep``, only the timers that payments need are run.

    Raises ImproperlyConfigured if a service of the installation cannot be run.
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
