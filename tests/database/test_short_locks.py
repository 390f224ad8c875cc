"""Shoppers are served while a migration alters a table that a long transaction uses."""

import psycopg
import pytest

from tests.support.databases import database
from tests.support.migration import Migration
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.postgresql, pytest.mark.slow, pytest.mark.timeout(400)]

BEFORE, ALTERING = "0002", "0003"
REPORT = "SELECT count(*) FROM payments_payment"
# A shopper's statement, whose time is limited as in the gateway.
SHOPPER = "-c statement_timeout=10s"


@pytest.fixture
def altering(tmp_path):
    """Yield the address of a database that lacks a migration, and that migration."""
    with database() as url:
        Migration(tmp_path, url, BEFORE).run()
        altering = Migration(tmp_path, url, ALTERING)
        yield url, altering
        altering.kill()


def test_nobody_waits_behind_a_migration_that_waits_for_a_report(altering):
    url, migrating = altering
    with psycopg.connect(url) as report, psycopg.connect(url, autocommit=True, options=SHOPPER) as shopper:
        report.execute(REPORT)
        migrating.start()

        def gives_way() -> bool:
            shopper.execute(REPORT)
            return "tried again" in migrating.text()

        wait_until(gives_way, "the migration to give way", seconds=60)
        assert migrating.is_alive
    assert migrating.wait(seconds=60) == 0, migrating.text()
    with psycopg.connect(url) as connection:
        connection.execute("SELECT expires_at FROM payments_payment")
