"""A process starts on a database of its own release or of a later one, not on an earlier release's."""

import os
import sys

import pytest
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from checkout.database.required_migrations import require_migrated
from messaging.concurrency.database import in_thread
from tests.support.databases import NOWHERE
from tests.support.program import Program, run

PROGRAMS = {
    "web": ["-m", "uvicorn", "payments_gateway.asgi:application", "--port", "0"],
    "services": ["manage.py", "run_service", "checkout", "risk"],
    "relay": ["manage.py", "run_relay"],
    "webhooks": ["manage.py", "run_webhooks"],
}


def environment(database_url: str) -> dict[str, str]:
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "payments_gateway.settings",
        "DATABASE_URL": database_url,
        "BROKER_URL": "amqp://all@127.0.0.1:1/none",
        "CHECKOUT_SINGLE_BROKER_USER": "true",
    }


@pytest.mark.timeout(60)
@pytest.mark.parametrize("program", PROGRAMS)
def test_no_program_starts_before_the_database_is_migrated(program, tmp_path):
    ended = run([sys.executable, *PROGRAMS[program]], environment(f"sqlite:///{tmp_path / 'db.sqlite3'}"))
    assert ended.returncode != 0
    told = ended.stdout + ended.stderr
    assert "The database default lacks migrations of this release: admin.0001_initial" in told
    assert "Run manage.py migrate, then start this process." in told


@pytest.mark.timeout(60)
def test_a_program_starts_while_its_database_is_away(tmp_path):
    relay = Program(
        "relay", [sys.executable, *PROGRAMS["relay"]], log=tmp_path / "log", environment=environment(NOWHERE)
    )
    relay.start()
    try:
        relay.wait_for_line("relay is not woken for now")
        assert relay.terminate() == 0
    finally:
        relay.kill()


@pytest.mark.django_db(transaction=True)
async def test_the_release_before_starts_on_the_tables_of_the_next_one():
    await in_thread(MigrationRecorder(connection).record_applied, "payments", "9999_next")
    try:
        await in_thread(require_migrated, ["default"])
    finally:
        await in_thread(MigrationRecorder(connection).record_unapplied, "payments", "9999_next")
