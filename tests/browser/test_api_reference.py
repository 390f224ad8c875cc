"""The reference of the API in a browser, under the policy of all pages."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.api.running_web import prepared_web, start

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with prepared_web(Path(tmp_path_factory.mktemp("reference"))) as (program, url):
        start(program, url)
        yield url


def test_it_is_shown_under_the_strict_policy_with_nothing_from_elsewhere(browser: Browser, url: str) -> None:
    page = browser.new_page()
    complaints: list[str] = []
    requested: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: requested.append(request.url))
    answer = page.goto(f"{url}/api/reference/")
    assert answer is not None
    policy = answer.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "'none'" in policy
    operation(page, "createPayment").click()
    expect(page.get_by_text("The order's number, unique for the merchant.").first).to_be_visible()
    assert complaints == []
    assert [each for each in requested if not each.startswith((url, "data:"))] == []
    page.close()


def test_it_is_searched_for_fields_problems_and_words(browser: Browser, url: str) -> None:
    page = browser.new_page()
    page.goto(f"{url}/api/reference/")
    expect(operation(page, "pingWebhookEndpoint")).to_be_visible()
    search = page.get_by_role("searchbox", name="Search")
    for phrase, found, others in (
        ("effective_expires_at", "getPayment", "pingWebhookEndpoint"),
        ("refundable_changed", "refundPayment", "capturePayment"),
        ("ROTATE secret", "rotateWebhookSecret", "refundPayment"),
    ):
        search.fill(phrase)
        expect(operation(page, found)).to_be_visible()
        expect(operation(page, others)).to_have_count(0)
    search.fill("")
    expect(operation(page, "pingWebhookEndpoint")).to_be_visible()
    page.close()


def operation(page: Page, name: str) -> Locator:
    return page.locator(f"[id$='-{name}']")
