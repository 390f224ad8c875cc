"""Fixtures: one Chromium for all tests of a folder, and a stack with challenges in a frame."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.support.chromium import running_chromium
from tests.support.databases import database
from tests.support.stack import Stack
from tests.support.vhosts import fresh_vhost


@pytest.fixture(scope="package")
def browser(chromium: str) -> Iterator[Browser]:
    """Yield one Chromium for the files of a folder with browser tests only."""
    with running_chromium(chromium) as browser:
        yield browser


@pytest.fixture(scope="session")
def framed_stack(tmp_path_factory: pytest.TempPathFactory, migrated_template: str) -> Iterator[Stack]:
    """Yield a stack that shows challenges in a frame, and holds requests for a second at most."""
    environment = {"CHECKOUT_CHALLENGE_WINDOW": "390x400", "CHECKOUT_REPLY_BUDGET_SECONDS": "1"}
    with (
        fresh_vhost() as broker_url,
        database(migrated_template) as database_url,
        Stack(
            tmp_path_factory.mktemp("framed-stack"),
            broker_url=broker_url,
            database_url=database_url,
            environment=environment,
        ) as stack,
    ):
        yield stack
