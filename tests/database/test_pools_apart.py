"""A connection that one database loses does not affect the pool of another database."""

from collections.abc import Iterator

import pytest
from django.db import OperationalError, connections
from pytest_django.plugin import DjangoDbBlocker

from messaging.concurrency.database import in_thread
from payments_gateway.databases import database
from payments_gateway.environment import Environment
from tests.support import environment

pytestmark = pytest.mark.postgresql

NAMES = ("one", "other")


@pytest.fixture
def two_databases(django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    made = {name: database(environment.database_url(), Environment()) for name in NAMES}
    with django_db_blocker.unblock():
        connections.settings.update(
            connections.configure_settings({"default": connections.settings["default"], **made})
        )
        yield
        for name in NAMES:
            connections[name].close_pool()  # type: ignore[attr-defined]  # of PostgreSQL
            del connections[name], connections.settings[name]


def server_process(name: str) -> int:
    """Return the number of the server's process for a connection to this database."""
    with connections[name].cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        [number] = cursor.fetchone()
    return int(number)


def is_connected(number: int) -> bool:
    with connections["one"].cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE pid = %s", [number])
        [found] = cursor.fetchone()
    return bool(found)


def lose_the_first() -> None:
    with connections["other"].cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [server_process("one")])
    server_process("one")


async def test_only_the_pool_of_the_lost_connection_is_emptied(two_databases: None) -> None:
    before = await in_thread(server_process, "other")
    with pytest.raises(OperationalError):
        await in_thread(lose_the_first)
    assert await in_thread(is_connected, before)
