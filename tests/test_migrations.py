"""While a new version is rolled out, processes of the one before work on the tables of the new one."""

from typing import Any

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from tests.admin import rows

BEFORE = ("checkout", "0007_review_permission")


@pytest.fixture
def before(db):
    """Models of a version that does not know of the columns of the last one."""
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
