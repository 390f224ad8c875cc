"""Fixture: one Chromium for all tests of a folder."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.support.chromium import running_chromium


@pytest.fixture(scope="package")
def browser(chromium: str) -> Iterator[Browser]:
    """Yield one Chromium for the files of a folder, all of which have tests with a browser only."""
    with running_chromium(chromium) as browser:
        yield browser
