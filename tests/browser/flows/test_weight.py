"""The transferred bytes of the pages of a purchase, and their icon."""

from urllib.parse import urljoin

import pytest
from playwright.sync_api import Request, expect

from tests.browser.flows.shopper import CHALLENGED, Shopper

pytestmark = pytest.mark.browser

MAX_PAGE_BYTES = 50_000


def weights(requests: list[Request]) -> dict[str, int]:
    """Return the bytes transferred for each page and its resources, including headers."""
    pages: dict[str, int] = {}
    page = ""
    for request in requests:
        if request.is_navigation_request() and request.frame.parent_frame is None:
            page = request.url
        sizes = request.sizes()
        pages[page] = pages.get(page, 0) + sizes["responseHeadersSize"] + sizes["responseBodySize"]
    return pages


def test_no_page_of_a_purchase_weighs_more_than_50_kilobytes(shopper: Shopper) -> None:
    shopper.devtools.send("Network.setCacheDisabled", {"cacheDisabled": True})
    shopper.order_and_pay(CHALLENGED)
    shopper.decide("Approve")
    shopper.is_told_paid()
    shopper.page.get_by_role("link", name="Back to Example Shop").click()
    expect(shopper.page.get_by_role("heading", level=1)).to_have_text("Your order")
    shopper.page.wait_for_load_state("networkidle")
    pages = weights(shopper.traffic.requests)
    assert len(pages) >= 8
    assert {page: weight for page, weight in pages.items() if weight > MAX_PAGE_BYTES} == {}


def test_every_page_brings_its_icon(shopper: Shopper) -> None:
    shopper.order()
    urls = {shopper.page.url, f"{shopper.stack.web_url}/", f"{shopper.stack.web_url}/admin/"}
    urls |= {f"{shopper.stack.sandbox_url}/", f"{shopper.stack.sandbox_url}/scenarios/"}
    for url in urls:
        shopper.page.goto(url)
        address = shopper.page.locator("link[rel=icon]").get_attribute("href")
        # Headless browsers load no icons by themselves. If it is loaded as an image, the page's policy
        # applies to it.
        size = shopper.page.evaluate(
            """async (src) => { const icon = Object.assign(new Image(), {src}); await icon.decode();
            return icon.naturalWidth; }""",
            urljoin(shopper.page.url, address),
        )
        assert size > 0, url
