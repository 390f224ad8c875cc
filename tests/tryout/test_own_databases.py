"""The whole gateway in one process, with a SQLite database for each app that can have its own."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from checkout.tryout.demo import Demo
from scripts.services.process import free_port
from tests.support.databases import OWNERS, variable_of
from tests.support.program import ROOT

TABLES = {
    "orders": "orders_reservation",
    "risk": "risk_riskassessment",
    "ledger": "ledger_ledgerentry",
    "receipts": "receipts_receipt",
}


@dataclass(frozen=True, slots=True)
class DemoWithOwnDatabases(Demo):
    """The demonstration, but with five databases."""

    @property
    def environment(self) -> dict[str, str]:
        urls = {variable_of(app): f"sqlite:///{self.folder / app}.sqlite3" for app in OWNERS}
        return Demo.environment.fget(self) | urls  # type: ignore[attr-defined]


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(400)
def test_a_purchase_passes_through_five_databases(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    demo = DemoWithOwnDatabases(tmp_path, ROOT, free_port(), free_port())
    assert demo.run(print, once=True) == 0
    told = capfd.readouterr().out
    assert "End: captured (as expected)." in told
    # The timeline has the messages of all databases.
    assert "to ledger:" in told
    for app, table in TABLES.items():
        assert count(tmp_path / f"{app}.sqlite3", table) > 0
        assert count(tmp_path / f"{app}.sqlite3", "payments_inboxmessage") > 0
    run_retention(demo)
    for app in OWNERS:
        assert count(tmp_path / f"{app}.sqlite3", "payments_inboxmessage") == 0
        assert count(tmp_path / f"{app}.sqlite3", "payments_outboxmessage") == 0
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        count(tmp_path / "gateway.sqlite3", "ledger_ledgerentry")


def run_retention(demo: Demo) -> None:
    """Delete all messages that are no longer needed, as the relay does after a month."""
    forget = (
        "from checkout.database.owners import databases;"
        "from checkout.payments.timers.retention import delete_expired_messages;"
        "list(map(delete_expired_messages, databases()))"
    )
    subprocess.run(
        [sys.executable, "manage.py", "shell", "--command", forget],
        cwd=ROOT,
        env=demo.environment | {"CHECKOUT_RETENTION_SECONDS": "0.001"},
        check=True,
    )


def count(database: Path, table: str) -> int:
    with closing(sqlite3.connect(database)) as connection:
        ((number,),) = connection.execute(f"SELECT count(*) FROM {table}")  # noqa: S608
    return int(number)
