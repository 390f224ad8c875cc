"""A connection that ended while it was unused is replaced before its next user gets it."""

import asyncio
from collections.abc import AsyncIterator, Callable

import psycopg
import pytest
from django.db import OperationalError

from tests.database.conftest import Run
from tests.support import environment
from tests.support.proxy import Proxy
from tests.support.waiting import wait_until

pytestmark = pytest.mark.postgresql

AT_ONCE = 3
# It keeps its connection for so long that each of several callers has one of its own.
SLOWLY = "SELECT pg_sleep(0.3)"
SLOWLY_TOLD = "SELECT pg_backend_pid(), pg_sleep(0.3)"
ENDED_SOON = "SELECT pg_backend_pid(), set_config('idle_session_timeout', '1', false), pg_sleep(0.3)"


@pytest.fixture
async def network() -> AsyncIterator[Proxy]:
    network = Proxy(environment.database_url())
    await network.accept()
    yield network
    await network.close()


def left_of(sessions: list[int]) -> int:
    """Return how many of these sessions the server still has."""
    with psycopg.connect(environment.database_url(), autocommit=True) as operator:
        query = "SELECT count(*) FROM pg_stat_activity WHERE pid = ANY(%s)"
        found = operator.execute(query, [list(set(sessions))]).fetchone()
        return int(found[0]) if found else 0


async def test_connections_that_a_proxy_has_ended_as_idle_fail_nobody(
    network: Proxy, reach: Callable[[str], Run]
):
    run = reach(network.url)
    await asyncio.gather(*(run(SLOWLY) for _ in range(AT_ONCE)))
    before = network.accepted
    network.cut()
    await asyncio.gather(*(run(SLOWLY) for _ in range(AT_ONCE)))
    assert network.accepted >= before + AT_ONCE


async def test_sessions_that_the_server_has_ended_as_idle_fail_nobody(
    network: Proxy, reach: Callable[[str], Run]
):
    run = reach(network.url)
    answers = await asyncio.gather(*(run(ENDED_SOON) for _ in range(AT_ONCE)))
    sessions = [session for [(session, *_)] in answers]
    await asyncio.to_thread(wait_until, lambda: not left_of(sessions), "the server to end them")
    await asyncio.gather(*(run(SLOWLY) for _ in range(AT_ONCE)))


async def test_a_message_to_an_idle_connection_costs_it_nothing(network: Proxy, reach: Callable[[str], Run]):
    run = reach(network.url)
    answers = await asyncio.gather(*(run(SLOWLY_TOLD) for _ in range(AT_ONCE)))
    sessions = [session for [(session, _)] in answers]
    text = b"SNOTICE\0C00000\0Mgood morning\0\0"
    network.say_to_clients(b"N" + (4 + len(text)).to_bytes(4) + text)
    await asyncio.sleep(0)
    await asyncio.gather(*(run(SLOWLY) for _ in range(AT_ONCE)))
    assert await asyncio.to_thread(left_of, sessions) == len(set(sessions))


async def test_a_connection_that_ends_while_it_is_used_still_fails_its_user(
    network: Proxy, reach: Callable[[str], Run]
):
    run = reach(network.url)
    with pytest.raises(OperationalError):
        await run("SELECT pg_terminate_backend(pg_backend_pid(), 0), pg_sleep(5)")
    assert await run("SELECT 1") == [(1,)]
