"""A database that is not in UTF-8 is refused while it is empty, and named when it has tables."""

import os
import sys
from collections.abc import Iterator
from subprocess import CompletedProcess
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from tests.support.databases import database
from tests.support.program import run

pytestmark = pytest.mark.postgresql


@pytest.fixture
def latin() -> Iterator[str]:
    """Yield the address of an empty database in the encoding of a cluster without a locale."""
    with database() as url:
        name = sql.Identifier(urlsplit(url).path.removeprefix("/"))
        maintenance = urlsplit(url)._replace(path="/postgres").geturl()
        with psycopg.connect(maintenance, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE {}").format(name))
            made = "CREATE DATABASE {} ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
            connection.execute(sql.SQL(made).format(name))
        yield url


def manage(url: str, *arguments: str) -> CompletedProcess[str]:
    settings = {"DJANGO_SETTINGS_MODULE": "payments_gateway.settings", "DATABASE_URL": url}
    return run([sys.executable, "manage.py", *arguments], {**os.environ, **settings})


def test_no_table_is_made_in_a_new_one(latin):
    refused = manage(latin, "migrate", "--verbosity=0")
    assert refused.returncode == 1
    assert "has the encoding SQL_ASCII" in refused.stderr
    with psycopg.connect(latin) as connection:
        tables = connection.execute("SELECT 1 FROM pg_tables WHERE schemaname = 'public'").fetchall()
    assert not tables


def test_a_database_that_has_tables_is_migrated_and_named(latin):
    with psycopg.connect(latin) as connection:
        connection.execute("CREATE TABLE django_migrations (id bigint, app text, name text, applied text)")
        connection.execute("INSERT INTO django_migrations VALUES (1, 'contenttypes', 'none', '2026-01-01')")
    told = manage(latin, "gateway", "doctor", "--json")
    assert "default: its encoding is SQL_ASCII, not UTF8" in told.stdout
    plan = manage(latin, "migrate", "--plan")
    assert plan.returncode == 0, plan.stderr
