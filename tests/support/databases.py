"""PostgreSQL databases for programs that tests start: migrated once, copied for each."""

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from tests.support import environment
from tests.support.program import ROOT


@contextmanager
def database(template: str | None = None) -> Iterator[str]:
    """Yield the address of a new database, dropped afterwards. `template` is the address of one to copy."""
    url = environment.database_url()
    name = f"test_{uuid.uuid4().hex[:12]}"
    source = urlsplit(template).path.removeprefix("/") if template else "template0"
    _execute(
        url, sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(source))
    )
    try:
        yield urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
    finally:
        _execute(url, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@contextmanager
def migrated_database() -> Iterator[str]:
    """Yield the address of a migrated database to copy from, to which no client may be connected."""
    with database() as url:
        subprocess.run(
            [sys.executable, "manage.py", "migrate", "--verbosity=0"],
            cwd=ROOT,
            env={**os.environ, "DJANGO_SETTINGS_MODULE": "payments_gateway.settings", "DATABASE_URL": url},
            stdin=subprocess.DEVNULL,
            check=True,
        )
        yield url


def _execute(url: str, statement: sql.Composed) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement)
