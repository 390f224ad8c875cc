"""Run services on the running event loop: a worker for each, and one broker connection for all."""

import asyncio
from collections.abc import Collection, Iterator, Mapping
from importlib import import_module
from types import ModuleType

from django.core.exceptions import ImproperlyConfigured

from checkout.conf import conf
from checkout.database.owners import OWNERS, database_of, variable_of
from checkout.own.packages import own_steps, usable_services
from checkout.payments.models import InboxMessage, OutboxMessage
from checkout.payments.sagas.orchestration import in_place
from checkout.payments.timers import timer
from checkout.payments.timers.timer import Timer
from checkout.service import Service
from messaging.broker import Broker
from messaging.worker.worker import Worker

ORCHESTRATOR = "checkout"
RECEIPTS = "notifications"
# The interval at which receipts are sent.
RECEIPTS_SECONDS = 2.0
# The module of each service, after the label of the app whose tables the service uses.
_MODULES = {
    ORCHESTRATOR: ("payments", "checkout.payments.sagas.service"),
    "payments": ("payments", "checkout.payments.service"),
    "risk": ("risk", "checkout.risk.service"),
    "orders": ("orders", "checkout.orders.service"),
    "ledger": ("ledger", "checkout.ledger.service"),
    RECEIPTS: ("receipts", "checkout.receipts.service"),
}


class _Services(Mapping[str, Service]):
    """All services by name. Ours are imported when they are used, because most processes run only one."""

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


def names_in_place() -> list[str]:
    """Return the names of the services whose commands the checkout service carries out (``conf.in_place``).

    Raises ImproperlyConfigured if one of them is not a service of the gateway, or has a database of its own.
    """
    by_owner = {SERVICES.owner_of(name): name for name in _MODULES if SERVICES.owner_of(name) in OWNERS}
    for owner in conf.in_place:
        if owner not in by_owner:
            raise ImproperlyConfigured(
                f"CHECKOUT_IN_PLACE names {owner!r}. Only {', '.join(sorted(by_owner))} can work in place."
            )
        if database_of(owner) != database_of("payments"):
            raise ImproperlyConfigured(
                f"CHECKOUT_IN_PLACE names {owner}, which has a database of its own "
                f"({variable_of(owner)}), so it cannot write in the transactions of payments."
            )
    return [by_owner[owner] for owner in conf.in_place]


async def run_services(names: Collection[str], broker: Broker, stop: asyncio.Event) -> None:
    """Run the workers until ``stop`` is set, then finish the work that has begun. Raise if a worker fails.

    Raises ImproperlyConfigured if the checkout service has steps of the installation that cannot be loaded,
    or services in place that cannot work there.
    """
    if ORCHESTRATOR in names:
        own_steps()
        in_place.choose(SERVICES[name] for name in names_in_place())
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
        if RECEIPTS in names:
            group.create_task(timer.run([receipts_timer()], stop), name="receipts")


def receipts_timer() -> Timer:
    """Return the timer that sends receipts, for the process of the service ``notifications``."""
    return Timer("receipts", import_module(_MODULES[RECEIPTS][1]).deliver_owed, RECEIPTS_SECONDS)
