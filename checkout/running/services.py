"""Run services on the running event loop: each with a worker, all with one broker connection."""

import asyncio
from collections.abc import Collection, Iterator, Mapping
from importlib import import_module
from types import ModuleType

from checkout.database.owners import database_of
from checkout.own.packages import own_steps, usable_services
from checkout.payments.models import InboxMessage, OutboxMessage
from messaging.broker import Broker
from messaging.worker.service import Service
from messaging.worker.worker import Worker

ORCHESTRATOR = "checkout"
# The module of each service, after the label of the app whose tables it uses.
_MODULES = {
    ORCHESTRATOR: ("payments", "checkout.payments.sagas.service"),
    "payments": ("payments", "checkout.payments.service"),
    "risk": ("risk", "checkout.risk.service"),
    "orders": ("orders", "checkout.orders.service"),
    "ledger": ("ledger", "checkout.ledger.service"),
    "notifications": ("receipts", "checkout.receipts.service"),
}


class _Services(Mapping[str, Service]):
    """All services by name. Ours are imported when they are used, since most processes run a single one."""

    def __init__(self) -> None:
        own: dict[str, tuple[str, ModuleType]] = {
            module.service.name: (app, module) for app, module in usable_services()
        }
        self._modules: dict[str, tuple[str, str | ModuleType]] = {**_MODULES, **own}

    def __getitem__(self, name: str) -> Service:
        module = self._modules[name][1]
        service: Service = (import_module(module) if isinstance(module, str) else module).service
        return service

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __len__(self) -> int:
        return len(self._modules)

    def owner_of(self, name: str) -> str:
        """Return the label of the app whose tables a service uses."""
        return self._modules[name][0]


SERVICES = _Services()


async def run_services(names: Collection[str], broker: Broker, stop: asyncio.Event) -> None:
    """Run the workers until ``stop`` is set, then finish what has begun. Raise as soon as a worker fails.

    Raises ImproperlyConfigured if the checkout service is to take steps of your own that cannot be taken.
    """
    if ORCHESTRATOR in names:
        own_steps()
    async with asyncio.TaskGroup() as group:
        for name in names:
            worker = Worker(
                broker,
                SERVICES[name],
                inbox_model=InboxMessage,
                outbox_model=OutboxMessage,
                database=database_of(SERVICES.owner_of(name)),
            )
            group.create_task(worker.run(stop), name=name)
