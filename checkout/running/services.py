"""Run services on the running event loop: each with a worker, all with one broker connection."""

import asyncio
from collections.abc import Iterable

from checkout.database.owners import database_of
from checkout.ledger import service as ledger
from checkout.orders import service as orders
from checkout.payments import service as payments
from checkout.payments.models import InboxMessage, OutboxMessage
from checkout.payments.sagas import service as orchestrator
from checkout.receipts import service as receipts
from checkout.risk import service as risk
from messaging.broker import Broker
from messaging.worker.service import Service
from messaging.worker.worker import Worker

# Each service's module, after the label of the app whose tables it uses.
_MODULES = (
    ("payments", orchestrator),
    ("payments", payments),
    ("risk", risk),
    ("orders", orders),
    ("ledger", ledger),
    ("receipts", receipts),
)
SERVICES: dict[str, Service] = {module.service.name: module.service for _, module in _MODULES}
_OWNERS = {module.service.name: app for app, module in _MODULES}


async def run_services(names: Iterable[str], broker: Broker, stop: asyncio.Event) -> None:
    """Run the workers until ``stop`` is set, then finish what has begun. Raise as soon as a worker fails."""
    async with asyncio.TaskGroup() as group:
        for name in names:
            worker = Worker(
                broker,
                SERVICES[name],
                inbox_model=InboxMessage,
                outbox_model=OutboxMessage,
                database=database_of(_OWNERS[name]),
            )
            group.create_task(worker.run(stop), name=name)
