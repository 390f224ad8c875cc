"""Migrations can be repeated after an interruption, and block no table that is in use."""

import os
import sqlite3
import sys
from contextlib import closing

import pytest
from django.db.migrations import AddIndex
from django.db.migrations.loader import MigrationLoader

from checkout.database.index_building import BuildIndex
from tests.support.program import run

OURS = {"payments", "orders", "risk", "ledger", "receipts", "webhooks", "api"}


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_migration_that_was_interrupted_after_it_had_built_an_index_goes_on_in_sqlite(tmp_path):
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "payments_gateway.settings",
        "DATABASE_URL": f"sqlite:///{tmp_path / 'db.sqlite3'}",
    }
    for arguments in (["0002"], ["0001", "--fake"], ["0002"], ["0001"], ["0002"]):
        run(
            [sys.executable, "manage.py", "migrate", "--verbosity=0", "payments", *arguments], environment
        ).check_returncode()
    with closing(sqlite3.connect(tmp_path / "db.sqlite3")) as database:
        names = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'index'")}
    assert {"attempts_by_last_four", "payments_by_order_number", "payments_by_email"} <= names


def test_indexes_of_tables_in_use_are_built_without_blocking_them():
    """Indexes of an app's first migration are exempt, since its tables are new."""
    migrations = MigrationLoader(None).disk_migrations
    later = [each for (app, name), each in migrations.items() if app in OURS and name >= "0002"]
    added = [each for migration in later for each in migration.operations if isinstance(each, AddIndex)]
    assert added
    assert all(isinstance(each, BuildIndex) for each in added)


def test_a_payment_is_locked_before_its_attempts():
    """Live transactions lock them in this order, so no migration may wait for them in a circle."""
    migrations = MigrationLoader(None).disk_migrations
    checked = 0
    for (app, name), migration in migrations.items():
        # The tables of the first migration are new, and a migration that is not atomic holds one at a time.
        if app != "payments" or name < "0002" or not migration.atomic:
            continue
        models = [getattr(each, "model_name", "") for each in migration.operations]
        if {"payment", "attempt"} <= set(models):
            checked += 1
            assert models.index("payment") < models.index("attempt"), name
    assert checked
