"""Stacks that the tests of one file share."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from tests.flows.stack.quiet import QuietStack
from tests.flows.stack.surroundings import Surroundings
from tests.support.databases import database
from tests.support.proxy import Proxy
from tests.support.stack import Stack
from tests.support.vhosts import fresh_vhost


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def around(
    tmp_path_factory: pytest.TempPathFactory, migrated_template: str
) -> AsyncIterator[Surroundings]:
    """A stack and its surroundings, where requests are held for three seconds at most."""
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
            },
        )
        # In a thread: the relays that it connects through run on this loop.
        await asyncio.to_thread(stack.__enter__)
        try:
            yield Surroundings(stack, *relays)
        finally:
            stack.stop()
            for relay in relays:
                await relay.close()


@pytest.fixture(scope="package")
def quiet(tmp_path_factory: pytest.TempPathFactory, migrated_template: str) -> Iterator[QuietStack]:
    """A stack for requests that change nothing."""
    with (
        fresh_vhost() as broker_url,
        database(migrated_template) as database_url,
        Stack(tmp_path_factory.mktemp("quiet"), broker_url=broker_url, database_url=database_url) as stack,
    ):
        yield QuietStack(stack)
