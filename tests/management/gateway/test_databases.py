"""The doctor's lines about databases: the right one, with its tables; and no empty file is made."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.management.gateway.conftest import as_json
from tests.support.databases import NOWHERE
from tests.support.program import ROOT

pytestmark = pytest.mark.slow


def manage(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder in which a database without an address would be a file."""
    environment = {name: value for name, value in os.environ.items() if not name.endswith("DATABASE_URL")}
    environment |= {
        "DJANGO_SETTINGS_MODULE": "payments_gateway.settings",
        "BROKER_URL": "memory://",
        "PYTHONPATH": str(ROOT),
        **variables,
    }
    command = [sys.executable, str(ROOT / "manage.py"), *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def wrong(folder: Path, **variables: str) -> dict[str, str]:
    done = manage(folder, "gateway", "doctor", "--json", **variables)
    assert done.stdout, done.stderr
    found = [each for each in as_json(done.stdout)["findings"] if each["area"] == "database"]
    return {each["text"]: each["advice"] for each in found if not each["ok"]}


@pytest.mark.timeout(200)
def test_tables_that_were_made_in_another_database_are_named_with_its_variable(tmp_path: Path):
    both = {
        "DATABASE_URL": f"sqlite:///{tmp_path / 'gateway.sqlite3'}",
        "LEDGER_DATABASE_URL": f"sqlite:///{tmp_path / 'ledger.sqlite3'}",
    }
    assert manage(tmp_path, "migrate", "--verbosity=0", **both).returncode == 0
    assert not wrong(tmp_path, **both)
    without = {"DATABASE_URL": both["DATABASE_URL"]}
    [(text, advice)] = wrong(tmp_path, **without).items()
    assert text == "default: tables of ledger are missing: ledger_dailytotal, ledger_ledgerentry"
    assert advice.startswith("Set LEDGER_DATABASE_URL as the gateway's processes have it")
    # In the other order, all else would be missing, and its lines would not be examined.
    found = wrong(tmp_path, DATABASE_URL=both["LEDGER_DATABASE_URL"])
    [advice] = [advice for text, advice in found.items() if text.startswith("default: tables of webhooks")]
    assert advice.startswith("Set DATABASE_URL as")


def test_without_an_address_the_file_is_named_and_not_made(tmp_path: Path):
    [(text, advice)] = wrong(tmp_path).items()
    file = tmp_path / "db.sqlite3"
    assert text == f"default: there is no file {file}, as DATABASE_URL is not set"
    assert advice.startswith("Set DATABASE_URL as the gateway's processes have it.")
    refused = manage(tmp_path, "gateway", "dead-letters", "list")
    assert refused.returncode == 1
    assert f"CommandError: There is no file {file}. Set DATABASE_URL" in refused.stderr
    assert not list(tmp_path.iterdir())


def test_an_empty_file_is_named_before_somebody_migrates_it(tmp_path: Path):
    file = tmp_path / "db.sqlite3"
    file.touch()
    [advice] = wrong(tmp_path).values()
    assert advice.startswith("Set DATABASE_URL as the gateway's processes have it.")
    told = as_json(manage(tmp_path, "gateway", "doctor", "--json").stdout)["findings"]
    assert any(each["text"].endswith(f", the file {file}, as DATABASE_URL is not set") for each in told)


def test_a_database_that_is_away_is_told_with_the_reason_and_not_with_that_of_the_pool(tmp_path: Path):
    pytest.importorskip("psycopg")
    [text] = [text for text in wrong(tmp_path, DATABASE_URL=NOWHERE) if "not reached" in text]
    assert "Connection refused" in text
    refused = manage(tmp_path, "migrate", DATABASE_URL=NOWHERE)
    [error] = [line for line in refused.stderr.splitlines() if line.startswith("CommandError")]
    assert "Connection refused" in error
