"""`gateway divide-messages` gives months to the tables of an installation that has messages already."""

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from messaging.envelope import new_message_id
from tests.support.databases import database
from tests.support.migration import Migration
from tests.support.program import run

pytestmark = [pytest.mark.postgresql, pytest.mark.slow, pytest.mark.at_scale, pytest.mark.timeout(200)]

IS_DIVIDED = "SELECT relkind = 'p' FROM pg_class WHERE oid = to_regclass(%s)"
WRITE = """
INSERT INTO payments_inboxmessage (consumer, message_id, type, subject, received_at, handled_at)
VALUES ('ledger', %s, 'ledger.post', 'pay_1', now(), now()) RETURNING id
"""
READ = "SELECT id, consumer, message_id, type, subject FROM payments_inboxmessage ORDER BY id"
INDEXES = """
SELECT regexp_replace(indexdef, ' ON (ONLY )?', ' ON ') FROM pg_indexes
WHERE tablename = 'payments_inboxmessage' AND indexname NOT LIKE '%pkey' ORDER BY 1
"""


@pytest.fixture
def filled(tmp_path) -> Iterator[str]:
    """Yield the address of a database that had messages before there were months."""
    with database() as url:
        Migration(tmp_path, url, "0011").run()
        with psycopg.connect(url) as connection:
            for id in (new_message_id(), "order-7"):
                connection.execute(WRITE, [id])
        Migration(tmp_path, url, "0012").run()
        yield url


def divide(url: str) -> "subprocess.CompletedProcess[str]":
    settings = {"DJANGO_SETTINGS_MODULE": "payments_gateway.settings", "DATABASE_URL": url}
    return run([sys.executable, "manage.py", "gateway", "divide-messages"], {**os.environ, **settings})


def ask(connection: "psycopg.Connection[Any]", query: str, *values: object) -> list[Any]:
    return connection.execute(query.encode(), values or None).fetchall()


def test_a_migration_leaves_tables_with_messages_as_they_are_and_the_command_divides_them(filled):
    with psycopg.connect(filled, autocommit=True) as connection:
        assert ask(connection, IS_DIVIDED, "payments_inboxmessage") == [(False,)]
        assert ask(connection, IS_DIVIDED, "payments_outboxmessage") == [(True,)], "it was empty"
        before, indexes = ask(connection, READ), ask(connection, INDEXES)
        told = divide(filled)
        assert told.returncode == 0, told.stderr
        assert "default: payments_inboxmessage has months now." in told.stdout
        assert "default: payments_outboxmessage has months already." in told.stdout
        assert ask(connection, IS_DIVIDED, "payments_inboxmessage") == [(True,)]
        assert ask(connection, READ) == before
        assert ask(connection, INDEXES) == indexes
        for *_, id, _, _ in before:
            with pytest.raises(psycopg.errors.UniqueViolation):
                connection.execute(WRITE, [id])
        ((number,),) = ask(connection, WRITE, new_message_id())
        assert number > before[-1][0]


def test_a_table_that_is_in_use_is_not_divided(filled):
    with psycopg.connect(filled) as report:
        before = ask(report, READ)
        told = divide(filled)
        assert told.returncode == 1
        assert "payments_inboxmessage is in use. Stop the other processes" in told.stderr
        assert ask(report, READ) == before
    assert divide(filled).returncode == 0
