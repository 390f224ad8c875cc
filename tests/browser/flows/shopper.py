"""A shopper at a browser, with a method for each action."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from playwright.sync_api import Browser, CDPSession, FrameLocator, Locator, Page, Route, expect

from tests.browser.flows.traffic import Traffic
from tests.support.frames import click_in_frame
from tests.support.stack import Stack

# The sandbox's test cards; see docs/sandbox.md.
FRICTIONLESS = "4000000000002701"
CHALLENGED = "4000000000002503"
REFUSED = "4000000000009995"

TEA = "Darjeeling tea, 100 g"
TEA_PRICE = (1250, "GBP")
EXPIRY = f"12/{datetime.now(UTC).year % 100 + 2}"
REFERENCE = re.compile(r"/checkout/(pay_[0-9a-f]{32})/$")


@dataclass
class Shopper:
    """One person with one browser window and its cookies."""

    page: Page
    stack: Stack
    traffic: Traffic
    reference: str = ""

    def order(self, item: str = TEA) -> str:
        """Order an item in the shop, which leads to the checkout. Return the payment's reference."""
        self.page.goto(f"{self.stack.web_url}/")
        self.page.get_by_role("button", name=f"Buy {item}").click()
        expect(self.page).to_have_url(REFERENCE)
        (self.reference,) = REFERENCE.findall(self.page.url)
        return self.reference

    def enter_card(self, number: str) -> None:
        self.page.get_by_label("Card number").fill(number)
        self.page.get_by_label("Name on card").fill("A. Shopper")
        self.page.get_by_label("Expiry date").fill(EXPIRY)
        self.page.get_by_label("Security code").fill("123")

    def pay(self, number: str) -> None:
        """Enter the card and pay, which leads to the bank's challenge or to the result."""
        self.enter_card(number)
        self.pay_button.click()

    def order_and_pay(self, number: str, item: str = TEA) -> str:
        reference = self.order(item)
        self.pay(number)
        return reference

    def decide(self, choice: str, window: Page | FrameLocator | None = None) -> None:
        """Press Approve, Fail or Cancel at the bank, in this window or in a frame of it."""
        button = (window or self.page).get_by_role("button", name=choice)
        if isinstance(window, FrameLocator):
            click_in_frame(button)
        else:
            button.click()

    @property
    def pay_button(self) -> Locator:
        return self.page.get_by_role("button", name=re.compile("^Pay "))

    def lose_javascript(self) -> None:
        """Disable scripts in this window for good."""
        self.devtools.send("Emulation.setScriptExecutionDisabled", {"value": True})

    def lose_javascript_when_paying(self) -> None:
        """Disable scripts as soon as the card form is sent."""

        def switch_off(route: Route) -> None:
            self.lose_javascript()
            route.continue_()

        self.page.route("**/pay/", switch_off)

    @property
    def devtools(self) -> CDPSession:
        return self.page.context.new_cdp_session(self.page)

    def url_of(self, page: str) -> str:
        """Return the address of one of the payment's pages, such as `result`."""
        return f"{self.stack.web_url}/checkout/{self.reference}/{page}/"

    def is_at(self, page: str, title: str) -> None:
        """Wait for one of the payment's pages with this heading."""
        expect(self.page).to_have_url(self.url_of(page))
        expect(self.page.get_by_role("heading", level=1)).to_have_text(title)

    def is_told_paid(self) -> None:
        self.is_at("result", "Payment complete")

    def is_told_not_paid(self, why: str) -> None:
        self.is_at("result", "Payment not made")
        expect(self.page.get_by_role("main")).to_contain_text(why)
        expect(self.page.get_by_role("main")).to_contain_text("Nothing was charged")


@contextmanager
def shopping(browser: Browser, stack: Stack, **options: Any) -> Iterator[Shopper]:
    """Yield a shopper with an empty browser. Afterwards check that no page had errors."""
    context = browser.new_context(**options)
    context.set_default_timeout(40_000)
    traffic = Traffic(context, stack.web_url, stack.sandbox_url)
    try:
        yield Shopper(context.new_page(), stack, traffic)
        traffic.check()
    finally:
        traffic.tell()
        context.close()
