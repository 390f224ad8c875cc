"""Fixtures: stacks that the tests of one file share."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from tests.flows.stack.quiet import QuietStack
from tests.flows.stack.site import Site, opened
from tests.flows.stack.surroundings import Surroundings
from tests.support.databases import database
from tests.support.proxy import Proxy
from tests.support.stack import Stack
from tests.support.vhosts import fresh_vhost


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def around(
    tmp_path_factory: pytest.TempPathFactory, migrated_template: str
) -> AsyncIterator[Surroundings]:
    """Yield a stack behind relays, where requests wait at most three seconds and statements two."""
    with fresh_vhost() as broker_url, database(migrated_template) as database_url:
        relays = Proxy(broker_url), Proxy(database_url)
        for relay in relays:
            await relay.accept()
        stack = Stack(
            tmp_path_factory.mktemp("surrounded"),
            broker_url=broker_url,
            database_url=database_url,
            web_environment={
                "BROKER_URL": relays[0].url,
                "DATABASE_URL": relays[1].url,
                "CHECKOUT_REPLY_BUDGET_SECONDS": "3",
                "CHECKOUT_DATABASE_SECONDS": "2",
                "CHECKOUT_DATABASE_THREADS": "2",
            },
        )
        # In a thread, because the stack connects through relays that run on this loop.
        await asyncio.to_thread(stack.__enter__)
        try:
            yield Surroundings(stack, *relays)
        finally:
            stack.stop()
            for relay in relays:
                await relay.close()


@pytest.fixture(scope="package")
def quiet(tmp_path_factory: pytest.TempPathFactory, migrated_template: str) -> Iterator[QuietStack]:
    """Yield a stack for requests that change nothing."""
    with (
        fresh_vhost() as broker_url,
        database(migrated_template) as database_url,
        Stack(tmp_path_factory.mktemp("quiet"), broker_url=broker_url, database_url=database_url) as stack,
    ):
        yield QuietStack(stack)


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """Yield a stack with two web processes on servers that a test may stop and must start again."""
    with opened() as site:
        yield site
