"""Shoppers are served while a migration alters a table that a long transaction uses."""

import os
import sys

import psycopg
import pytest

from tests.support.program import Program
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.postgresql, pytest.mark.slow, pytest.mark.timeout(400)]

REPORT = "SELECT count(*) FROM ledger_ledgerentry"
TABLE = "SELECT to_regclass('ledger_ledgerentry')"
# A shopper's statement, whose time is limited as in the gateway.
SHOPPER = "-c statement_timeout=10s"


@pytest.fixture
def migration(tmp_path, postgresql_url):
    """Yield a migration that locks the ledger's table: it reverts the table's creation."""
    migration = Program(
        "migrate",
        [sys.executable, "manage.py", "migrate", "ledger", "zero"],
        log=tmp_path / "migrate.log",
        environment={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "payments_gateway.settings",
            "DATABASE_URL": postgresql_url,
        },
    )
    yield migration
    migration.kill()


def test_nobody_waits_behind_a_migration_that_waits_for_a_report(postgresql_url, migration):
    with (
        psycopg.connect(postgresql_url) as report,
        psycopg.connect(postgresql_url, autocommit=True, options=SHOPPER) as shopper,
    ):
        report.execute(REPORT)
        migration.start()

        def gives_way() -> bool:
            shopper.execute(REPORT)
            return "tried again" in migration.text()

        wait_until(gives_way, "the migration to give way", seconds=60)
        assert migration.is_alive
    assert migration.wait(seconds=60) == 0, migration.text()
    with psycopg.connect(postgresql_url) as connection:
        assert connection.execute(TABLE).fetchone() == (None,)
