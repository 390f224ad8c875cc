"""A primary with a synchronous standby, and the gateway's way of connecting to them."""

import shutil
import tempfile
import uuid
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connections
from pytest_django.plugin import DjangoDbBlocker

from messaging.concurrency.database import in_thread
from payments_gateway.databases import database
from payments_gateway.environment import Environment
from tests.support import environment
from tests.support.standby import Pair, pair as a_pair

Run = Callable[[str], Awaitable[list[tuple[Any, ...]]]]


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Yield a new pair for a test that promotes the standby."""
    environment.database_url()  # skips the test without PostgreSQL
    folder = Path(tempfile.mkdtemp(prefix="pair-"))
    try:
        with a_pair(folder) as made:
            yield made
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def reach(django_db_blocker: DjangoDbBlocker) -> Iterator[Callable[[str], Run]]:
    """Yield a function that returns, for an address, a function that runs statements there."""
    # Another name for each test, because threads keep the connections that they know by name.
    alias = f"reached_{uuid.uuid4().hex}"

    def to(url: str) -> Run:
        settings = {"default": {}, alias: database(url, Environment())}
        connections.settings[alias] = connections.configure_settings(settings)[alias]
        return lambda statement: in_thread(_execute, alias, statement)

    with django_db_blocker.unblock():
        yield to
        connections[alias].close_pool()  # type: ignore[attr-defined]  # of PostgreSQL
        del connections[alias], connections.settings[alias]


def _execute(alias: str, statement: str) -> list[tuple[Any, ...]]:
    with connections[alias].cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []
