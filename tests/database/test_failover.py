"""The gateway finds the primary, even if the standby has taken the primary's place."""

import asyncio
from urllib.parse import urlsplit

import psycopg
import pytest
from django.db import OperationalError

from checkout.database import bounded_connection
from checkout.database.primary_connection import PrimaryConnection
from tests.support import environment
from tests.support.proxy import Proxy

pytestmark = pytest.mark.postgresql

PORT = "SHOW port"
NOTE = "INSERT INTO notes SELECT 1"
AT_ONCE = 3
# It keeps its connection for so long that each of several callers has one of its own.
SLOWLY = "SELECT pg_sleep(0.3)"


def through(url: str, *hosts: str) -> str:
    """Return the address with other hosts, and without options."""
    parts = urlsplit(url)
    login = parts.netloc.rpartition("@")[0]
    return f"postgres://{login}@{','.join(hosts)}{parts.path}"


def place(port: int) -> str:
    return f"127.0.0.1:{port}"


async def fill_the_pool(run) -> None:
    await asyncio.gather(*(run(SLOWLY) for _ in range(AT_ONCE)))


@pytest.fixture
async def gateway(pair, reach):
    """Return a function that runs statements at the pair, with a pool of connections to the primary."""
    pair.primary.run("CREATE TABLE notes (number int)")
    run = reach(through(pair.primary.url, *(place(server.port) for server in pair.servers)))
    await fill_the_pool(run)
    return run


@pytest.mark.slow
async def test_the_server_that_can_be_written_to_is_used_of_several(pair, reach):
    run = reach(through(pair.primary.url, place(pair.standby.port), place(pair.primary.port)))
    assert await run(PORT) == [(str(pair.primary.port),)]


@pytest.mark.slow
async def test_when_the_standby_has_taken_over_from_a_primary_that_died_no_caller_finds_out(pair, gateway):
    pair.primary.kill()
    pair.promote()
    await asyncio.gather(*(gateway(NOTE) for _ in range(AT_ONCE)))
    assert await gateway(PORT) == [(str(pair.primary.port),)]


@pytest.mark.slow
async def test_a_primary_that_was_fenced_is_left_by_all_connections_even_for_reading(pair, gateway):
    # The server does not end sessions: each has to find out by itself.
    pair.primary.carry_out("default_transaction_read_only", "pg_reload_conf")
    pair.promote()
    with pytest.raises(OperationalError):
        await gateway("SELECT count(*) FROM notes")
    ports = await asyncio.gather(*(gateway(PORT) for _ in range(AT_ONCE)))
    assert ports == [[(str(pair.primary.port),)]] * AT_ONCE


@pytest.mark.slow
async def test_a_primary_that_fell_silent_holds_one_caller_and_no_other(pair, reach, settings, monkeypatch):
    settings.CHECKOUT_DATABASE_SECONDS = 2
    monkeypatch.setattr(bounded_connection, "GRACE_SECONDS", 0.1)
    pair.primary.run("CREATE TABLE notes (number int)")
    network = Proxy(pair.primary.url)
    await network.accept()
    first = urlsplit(network.url).netloc.rpartition("@")[2]
    run = reach(through(pair.primary.url, first, place(pair.standby.port)))
    await fill_the_pool(run)
    network.hold()
    pair.promote()
    with pytest.raises(OperationalError):
        await run(NOTE)
    await asyncio.gather(*(run(NOTE) for _ in range(AT_ONCE)))
    await network.close()


@pytest.mark.slow
async def test_while_no_server_can_be_written_to_every_caller_is_told_that_the_database_is_away(
    pair, gateway
):
    pair.primary.kill()
    with pytest.raises(OperationalError):
        await gateway(NOTE)
    with pytest.raises(OperationalError):
        await gateway(NOTE)
    pair.promote()
    await gateway(NOTE)


def test_a_refused_write_ends_the_connection():
    with PrimaryConnection.connect(environment.database_url(), autocommit=True) as connection:
        connection.execute("BEGIN READ ONLY")
        with pytest.raises(psycopg.OperationalError, match="can only be read"):
            connection.execute("CREATE TABLE never (number int)")
        assert connection.closed


SESSIONS = "SELECT pid FROM pg_stat_activity WHERE application_name = 'statements'"


async def test_an_error_of_one_statement_costs_no_connection(reach):
    run = reach(f"{environment.database_url()}?application_name=statements")
    await fill_the_pool(run)
    before = set(await run(SESSIONS))
    with pytest.raises(OperationalError, match="statement timeout"):
        await run("SET statement_timeout = 10; SELECT pg_sleep(5)")
    assert before <= set(await run(SESSIONS))
