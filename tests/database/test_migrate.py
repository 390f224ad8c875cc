"""``manage.py migrate`` reports a database that would be left without its tables."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections

from tests.support.program import run
from tests.support.tables import our_models

pytestmark = pytest.mark.django_db


def migrate() -> None:
    call_command("migrate", database="ledger", verbosity=0)


def test_an_inbox_that_is_missing_is_noticed(own_database):
    own_database("ledger")
    connections["ledger"].cursor().execute("DROP TABLE payments_inboxmessage")
    with pytest.raises(CommandError, match="The database ledger has no payments_inboxmessage"):
        migrate()


def manage(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    settings = {
        "DJANGO_SETTINGS_MODULE": "payments_gateway.settings",
        "DATABASE_URL": f"sqlite:///{folder / 'db.sqlite3'}",
    }
    return run([sys.executable, "manage.py", *arguments], {**os.environ, **settings, **variables})


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_an_app_whose_variable_is_no_longer_set_has_no_tables_until_the_advice_is_followed(tmp_path):
    own = {"LEDGER_DATABASE_URL": f"sqlite:///{tmp_path / 'ledger.sqlite3'}"}
    assert manage(tmp_path, "migrate", "--verbosity=0", **own).returncode == 0
    again = manage(tmp_path, "migrate", "--verbosity=0")
    assert again.returncode == 1
    assert "The database default has no ledger_dailytotal, ledger_ledgerentry" in again.stderr
    assert "Set its variable LEDGER_DATABASE_URL as it was" in again.stderr
    *_, first, second = again.stderr.strip().replace("run: ", "; ").split("; ")
    for advice in (first, second):
        followed = manage(tmp_path, *advice.removeprefix("manage.py ").split())
        assert followed.returncode == 0, followed.stderr
    assert manage(tmp_path, "migrate", "--verbosity=0").returncode == 0


@pytest.mark.postgresql
@pytest.mark.django_db
def test_no_index_is_written_that_only_a_search_by_pattern_would_use():
    with connection.cursor() as cursor:
        cursor.execute("SELECT indexname FROM pg_indexes WHERE indexdef LIKE '%_pattern_ops%'")
        names = {name for (name,) in cursor.fetchall()}
    ours = tuple(f"{model._meta.app_label}_" for model in our_models())
    assert not {name for name in names if name.startswith(ours)}
