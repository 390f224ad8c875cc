"""PostgreSQL databases for programs that tests start: one is migrated, and copied for each test."""

import os
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from tests.support import environment
from tests.support.program import run


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
        settings = {"DJANGO_SETTINGS_MODULE": "payments_gateway.settings", "DATABASE_URL": url}
        migration = run(
            [sys.executable, "manage.py", "migrate", "--verbosity=0", "--skip-checks"],
            {**os.environ, **settings},
        )
        migration.check_returncode()
        yield url


def _execute(url: str, statement: sql.Composed) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement)


# The apps that may have a database of their own, and the service that works with its tables.
OWNERS = {"orders": "orders", "risk": "risk", "ledger": "ledger", "receipts": "notifications"}
# An address without a database.
NOWHERE = "postgres://nobody@127.0.0.1:1/none"


def variable_of(app: str) -> str:
    """Return the environment variable with the address of an app's own database."""
    return f"{app.upper()}_DATABASE_URL"


def only_own(urls: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Return an environment for each service with a database of its own: all other addresses are empty."""
    none = {"DATABASE_URL": NOWHERE, **{variable_of(app): "" for app in OWNERS}}
    return {
        service: none | {variable_of(app): urls[variable_of(app)]}
        for app, service in OWNERS.items()
        if variable_of(app) in urls
    }


@contextmanager
def own_databases() -> Iterator[dict[str, str]]:
    """Yield environment variables with the addresses of five empty databases."""
    with ExitStack() as closing:
        names = ["DATABASE_URL", *map(variable_of, OWNERS)]
        yield {name: closing.enter_context(database()) for name in names}
