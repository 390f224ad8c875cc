"""The replica for lists of staff: its lag, and the source that is read if it cannot be used."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from django.db import DatabaseError, close_old_connections, connections
from pytest_django import Settings
from pytest_django.plugin import DjangoDbBlocker

from checkout.database.owners import REPLICA, databases
from checkout.database.replica import Source, source
from payments_gateway.databases import database, replica
from payments_gateway.environment import Environment
from tests.support import environment
from tests.support.standby import Pair
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.postgresql, pytest.mark.slow]

Use = Callable[[str, str], None]


@pytest.fixture
def use(django_db_blocker: DjangoDbBlocker) -> Iterator[Use]:
    """Yield a function that uses one address for the default database and one for its replica."""
    before = connections.settings["default"]

    def addresses(primary: str, standby: str) -> None:
        env = Environment()
        made = {"default": database(primary, env), REPLICA: replica(standby, env)}
        connections.settings.update(connections.configure_settings(made))

    with django_db_blocker.unblock(), anew():
        yield addresses
        connections[REPLICA].close()
        connections[REPLICA].close_pool()  # type: ignore[attr-defined]  # of PostgreSQL
        del connections[REPLICA], connections.settings[REPLICA]
        connections.settings["default"] = before


@contextmanager
def anew() -> Iterator[None]:
    """Close this thread's connection to the default database, and its pool, before and after the test."""
    for _ in range(2):
        connections["default"].close()
        connections["default"].close_pool()  # type: ignore[attr-defined]  # of PostgreSQL
        del connections["default"]
        if _ == 0:
            yield


def seen() -> Source:
    """Return the source as a new request finds it."""
    close_old_connections()
    return source()


def test_a_replica_that_keeps_up_is_read_and_one_that_lags_is_not(
    pair: Pair, use: Use, settings: Settings
) -> None:
    settings.CHECKOUT_REPLICA_LAG_SECONDS = 0.2
    pair.primary.run("CREATE TABLE notes (number int)")
    use(pair.primary.url, pair.standby.url)
    wait_until(lambda: seen().database == REPLICA, "the replica to catch up")
    assert "0 seconds behind" in seen().note
    pair.standby.run("SELECT pg_wal_replay_pause()")
    pair.primary.run("INSERT INTO notes VALUES (1)")
    wait_until(lambda: seen().database == "default", "the lag to be seen")
    assert "behind, so this list is from the primary" in seen().note
    pair.standby.run("SELECT pg_wal_replay_resume()")
    wait_until(lambda: seen().database == REPLICA, "the replica to catch up again")


def test_a_replica_that_is_away_or_was_promoted_is_not_read(pair: Pair, use: Use) -> None:
    use(pair.primary.url, pair.standby.url)
    wait_until(lambda: seen().database == REPLICA, "the replica to catch up")
    pair.standby.crash()
    assert seen() == Source("default", "The replica cannot be reached, so this list is from the primary.")
    pair.standby.start()
    pair.promote()
    wait_until(lambda: "is no standby now" in seen().note, "the promotion to be seen")


def test_a_replica_that_was_promoted_refuses_writes_and_owns_no_outbox_to_be_read(use: Use) -> None:
    # This server is no standby, so only the connection refuses writes.
    use(environment.database_url(), environment.database_url())
    assert REPLICA in connections
    assert databases() == ["default"]
    with pytest.raises(DatabaseError, match="read-only"), connections[REPLICA].cursor() as cursor:
        cursor.execute("CREATE TABLE notes (number int)")
