"""Fixtures: shoppers and their stacks."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.flows.pictures import sized
from tests.browser.flows.shopper import Shopper, shopping
from tests.support.stack import Stack

# A capture is booked some seconds after the shopper sees the result, and machines can be busy.
expect.set_options(timeout=40_000)


@pytest.fixture
def shopper(request: pytest.FixtureRequest, browser: Browser, shared_stack: Stack) -> Iterator[Shopper]:
    """Yield a shopper with challenges in the whole window, which has the test's ``width`` if there is one."""
    is_sized = "width" in request.fixturenames
    options = {"viewport": sized(request.getfixturevalue("width"))} if is_sized else {}
    with shopping(browser, shared_stack, **options) as shopper:
        yield shopper


@pytest.fixture
def framed_shopper(browser: Browser, framed_stack: Stack) -> Iterator[Shopper]:
    """Yield a shopper whose challenges are shown in a frame."""
    with shopping(browser, framed_stack) as shopper:
        yield shopper
