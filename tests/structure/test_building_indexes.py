"""A migration that adds indexes to tables in use blocks no query, and can be repeated if interrupted."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest
from django.db.models import Model
from psycopg import sql

from checkout.payments.models import Attempt, Payment
from tests.support.databases import database
from tests.support.migration import Migration
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.postgresql, pytest.mark.slow, pytest.mark.at_scale, pytest.mark.timeout(400)]

BEFORE, INDEXES = "0001", "0002"
NAMES = ["attempts_by_last_four", "payments_by_email", "payments_by_order_number"]
VALID = """
    SELECT relname, indisvalid FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
    WHERE relname = ANY(%s)"""
BUILDING = """
    SELECT pid, extract(epoch FROM clock_timestamp() - query_start) FROM pg_stat_activity
    WHERE query LIKE 'CREATE INDEX%' AND wait_event_type = 'Lock' AND datname = current_database()"""


@pytest.fixture(scope="module")
def without_indexes(tmp_path_factory) -> Iterator[str]:
    with database() as url:
        Migration(tmp_path_factory.mktemp("before"), url, BEFORE).run()
        yield url


@pytest.fixture
def url(without_indexes) -> Iterator[str]:
    with database(without_indexes) as url:
        yield url


@pytest.fixture
def migration(tmp_path, url) -> Iterator[Callable[..., Migration]]:
    """Yield a function that makes a migration to the indexes. At the end, running ones are killed."""
    made: list[Migration] = []

    def make(**environment: str) -> Migration:
        made.append(Migration(tmp_path, url, INDEXES, **environment))
        return made[-1]

    yield make
    for each in made:
        each.kill()


@contextmanager
def writing_to(url: str, model: type[Model]) -> Iterator[None]:
    """Keep a transaction open that has written to a table, within the block."""
    with psycopg.connect(url) as connection:
        connection.execute(write_to(model))
        yield


def write_to(model: type[Model]) -> sql.Composed:
    return sql.SQL("UPDATE {} SET id = id").format(sql.Identifier(model._meta.db_table))


def wait_until_it_waits(url: str, migration: Migration, seconds: float = 0) -> None:
    """Wait until the migration has waited so long for a transaction before building an index."""

    def waits() -> bool:
        assert migration.is_alive, migration.text()
        with psycopg.connect(url, autocommit=True) as connection:
            return any(waited > seconds for _, waited in connection.execute(BUILDING))

    wait_until(waits, "an index that waits for a transaction")


def indexes(url: str) -> dict[str, bool]:
    """Return the existing indexes by name, with True for those that are valid."""
    with psycopg.connect(url) as connection:
        return dict(connection.execute(VALID, [NAMES]).fetchall())


def interrupt_at(url: str, migration: Migration, model: type[Model]) -> None:
    """Start the migration, and kill it and its statement while it builds an index of the model's table.

    An operator or a restart of the database has the same effect.
    """
    with writing_to(url, model):
        migration.start()
        wait_until_it_waits(url, migration)
        migration.kill()
        with psycopg.connect(url, autocommit=True) as connection:
            for pid, _ in connection.execute(BUILDING).fetchall():
                connection.execute("SELECT pg_terminate_backend(%s, 20000)", [pid])


def test_payments_are_written_while_an_index_is_built(url, migration):
    building = migration()
    with writing_to(url, Attempt):
        building.start()
        wait_until_it_waits(url, building)
        with psycopg.connect(url, options="-c lock_timeout=5s") as another:
            another.execute(write_to(Attempt))
    assert building.wait(seconds=60) == 0, building.text()
    assert indexes(url) == dict.fromkeys(NAMES, True)


def test_an_index_may_take_longer_than_any_other_statement(url, migration):
    building = migration(CHECKOUT_DATABASE_SECONDS="0.5")
    with writing_to(url, Attempt):
        building.start()
        # Longer than other statements may take: the setting plus the two seconds that the connection adds.
        wait_until_it_waits(url, building, seconds=4)
    assert building.wait(seconds=60) == 0, building.text()


def test_an_index_that_was_left_half_built_is_built_anew(url, migration):
    first, second = migration(), migration()
    interrupt_at(url, first, Attempt)
    assert indexes(url) == {"attempts_by_last_four": False}
    second.run()
    assert indexes(url) == dict.fromkeys(NAMES, True)


def test_an_index_that_was_built_before_the_interruption_is_kept(url, migration):
    first, second = migration(), migration()
    interrupt_at(url, first, Payment)
    assert indexes(url)["attempts_by_last_four"]
    second.run()
    assert indexes(url) == dict.fromkeys(NAMES, True)
