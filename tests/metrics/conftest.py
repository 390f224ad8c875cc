"""Fixtures: this process shows its metrics, and has a shop."""

from collections.abc import AsyncIterator
from typing import Any
from weakref import WeakSet

import pytest
import pytest_asyncio

from checkout.metrics import of_installation
from checkout.running.observing import observed
from messaging import tallies
from messaging.logs import outage
from messaging.registry import get_broker
from payments_gateway.asgi import programs
from scripts.services.process import free_port
from tests.flows.conftest import books, payment, shop

__all__ = ["books", "payment", "shop"]


@pytest.fixture
def a_port(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give this process a port for its metrics, without those of earlier tests. Stop counting afterwards."""
    settings.CHECKOUT_METRICS_PORTS = str(free_port())
    monkeypatch.setattr(tallies, "is_on", False)
    monkeypatch.setattr(of_installation, "_latest", {})
    monkeypatch.setattr(outage, "_known", WeakSet())


@pytest_asyncio.fixture
async def shown(a_port: None, shop: object) -> AsyncIterator[None]:
    """Show the metrics of a process that runs all programs."""
    with observed(programs(), get_broker()):
        yield
