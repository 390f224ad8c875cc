"""An installation of the product in this process, restored to its initial state before each schedule.

Importing this module sets Django up, so that modules which need Django can be imported after it.
"""

import asyncio
import os

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.simulation.settings"

import django

from tests.simulation import logbook

logbook.take_over()
django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import connections  # noqa: E402
from django.db.utils import ConnectionHandler  # noqa: E402

from checkout.orders.models import StockItem  # noqa: E402
from checkout.payments.models import Merchant, ProviderAccount  # noqa: E402
from checkout.payments.providers.registry import ADAPTERS  # noqa: E402
from checkout.running.relay import timers  # noqa: E402
from tests.simulation import (  # noqa: E402
    bank,
    colleagues,
    invariants,
    late_commits,
    proof,
    randomness,
    threads,
)
from tests.simulation.clock import Clock  # noqa: E402
from tests.simulation.database import compiled, plain_filters, plain_rows  # noqa: E402
from tests.simulation.database.base import DatabaseWrapper, Template  # noqa: E402
from tests.simulation.timetable import TIMERS  # noqa: E402
from tests.simulation.twin import Line  # noqa: E402
from tests.simulation.world import STOCK, World  # noqa: E402


class Installation:
    """An installation that runs schedules. Only one per process, as it replaces clocks and randomness."""

    def __init__(self) -> None:
        unknown = {timer.name for timer in timers(asyncio.Event())} - TIMERS
        assert not unknown, f"The simulation's timetable must say when {unknown} have work."
        call_command("migrate", verbosity=0)
        database = connections["default"]
        assert isinstance(database, DatabaseWrapper)
        self._database = database
        # All threads use one connection, so the look-up by alias and thread is left out.
        ConnectionHandler.__getitem__ = lambda _handler, _alias: database
        ADAPTERS["memory"] = "tests.simulation.twin.Twin"
        self._clock = Clock()
        _open_shop()
        database.connection.create_function("called_done", 3, _called_done)
        database.connection.create_function("charge_begins", 2, _charge_begins)
        database.connection.create_function("request_begins", 2, _request_begins)
        database.connection.create_function("key_of_event", 2, _key_of_event)
        database.connection.create_function("saga_parks", 1, _saga_parks)
        invariants.watch_history(database.connection)
        database.connection.create_function("fact_is_written", 1, _fact_is_written)
        database.connection.create_function("operation_ends", 3, _operation_ends)
        database.connection.executescript(late_commits.TRIGGER + proof.TRIGGERS)
        self._template = Template(database.connection)
        randomness.take_over()
        threads.take_over()
        colleagues.take_over()
        late_commits.take_over()
        compiled.take_over()
        plain_filters.take_over()
        plain_rows.take_over()

    def run(self, seed: int) -> World:
        """Run the schedule of this seed and return its world, with the results."""
        self._template.restore()
        randomness.restart(seed)
        assert self._database.get_autocommit(), "the schedule before left a transaction open"
        world = World(seed, self._clock, self._database)
        world.run()
        return world


def _called_done(reference: str, kind: str, captured_with: str | None) -> None:
    Line.world.bank.called_done(reference, kind, captured_with)


def _saga_parks(saga: int) -> None:
    Line.world.staff.sees_parking(saga)


def _charge_begins(order_code: str, card: str) -> None:
    Line.world.cards.charge_begins(order_code, card)


def _request_begins(reference: str, known: str) -> None:
    Line.world.disputed_money.request_begins(reference, known)


def _key_of_event(drawn: int, last_of_payment: int) -> int:
    return Line.world.late_commits.key_of_event(drawn, last_of_payment)


def _fact_is_written(attempt: int) -> None:
    Line.world.proof.fact_is_written(attempt)


def _operation_ends(reference: str, state: str, attempt: int) -> None:
    Line.world.proof.operation_ends(reference, state, attempt)


def _open_shop() -> None:
    merchant = Merchant.objects.create(code="shop", name="The Shop")
    ProviderAccount.objects.create(
        merchant=merchant,
        code=bank.ACCOUNT,
        provider="memory",
        merchant_code=bank.MERCHANT_CODE,
        endpoint="http://localhost/",
    )
    Merchant.objects.create(code="rival", name="The Rival")
    for sku in ("tea", "cup"):
        StockItem.objects.create(
            merchant_code="shop", sku=sku, name=sku, price_minor=100, currency="EUR", quantity=STOCK
        )
