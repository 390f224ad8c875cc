"""During an upgrade, processes of the previous version work on the new version's tables."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from typing import Any

import pytest
from django.db import connection
from django.db.migrations import AddIndex
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader

from checkout.index_building import BuildIndex
from checkout.models import Attempt, Merchant
from tests.admin import rows
from tests.support.program import ROOT

BEFORE = ("checkout", "0007_review_permission")


@pytest.fixture
def before(db):
    """Return a function that gives models of an earlier version, without the newest columns."""
    apps = MigrationExecutor(connection).loader.project_state(BEFORE).apps

    def model(name: str) -> Any:
        return apps.get_model("checkout", name)

    return model


def test_the_version_before_can_keep_a_dead_letter(before):
    assert before("DeadLetter").objects.create(message_id="m_1", body="{}").pk


def test_the_version_before_can_store_a_notification(before):
    assert (
        before("ProviderNotification")
        .objects.create(account_id=rows.account().pk, digest="0", body="<x/>")
        .pk
    )


def test_the_version_before_can_add_a_merchant_and_start_an_attempt(before):
    owner = before("Merchant").objects.create(code="new", name="New")
    assert Merchant.objects.get(pk=owner.pk).attack_mode == Merchant.AttackMode.AUTOMATIC
    started = {"provider_account_id": rows.account().pk, "order_code": "o-1", "session_id": "s", "number": 1}
    attempt = before("Attempt").objects.create(payment_id=rows.payment("O-1").pk, **started)
    assert not Attempt.objects.get(pk=attempt.pk).demands_challenge


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_migration_that_was_interrupted_after_it_had_built_an_index_goes_on_in_sqlite(tmp_path):
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "payments_gateway.settings",
        "DATABASE_URL": f"sqlite:///{tmp_path / 'db.sqlite3'}",
    }
    for arguments in (["0012"], ["0011", "--fake"], ["0012"], ["0011"], ["0012"]):
        subprocess.run(
            [sys.executable, "manage.py", "migrate", "--verbosity=0", "checkout", *arguments],
            cwd=ROOT,
            env=environment,
            check=True,
        )
    with closing(sqlite3.connect(tmp_path / "db.sqlite3")) as database:
        names = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'index'")}
    assert {"attempts_by_last_four", "payments_by_order_number", "payments_by_email"} <= names


def test_indexes_of_tables_in_use_are_built_without_blocking_them():
    """Indexes of migrations before 0012 are exempt, since they were added when their tables were new."""
    migrations = MigrationLoader(None).disk_migrations
    later = [each for (app, name), each in migrations.items() if app == "checkout" and name >= "0012"]
    added = [each for migration in later for each in migration.operations if isinstance(each, AddIndex)]
    assert added
    assert all(isinstance(each, BuildIndex) for each in added)
