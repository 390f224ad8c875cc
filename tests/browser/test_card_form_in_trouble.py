"""The card form when the shopper leaves the page, a script fails, or the network is slow."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, Request, Route, expect

from tests.browser.looking import assert_accessible
from tests.browser.test_pages import fill_in, order, posted
from tests.support.stack import Stack
from tests.support.waiting import wait_until

pytestmark = pytest.mark.browser

PAY = re.compile("^Pay ")
SCRIPT = "**/worldpay-cse.js"
RESUMED = "window.dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }))"
STYLED = "[...document.querySelectorAll('link[rel=stylesheet]')].every((link) => link.sheet)"
NO_FRAMES = """
const create = Document.prototype.createElement;
Document.prototype.createElement = function (name, ...rest) {
  if (name === "iframe") throw new Error("a blocker forbids it");
  return create.call(this, name, ...rest);
};
"""


@pytest.fixture(params=[1280])
def page(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": request.param, "height": 800})
    context.set_default_timeout(40_000)
    yield context.new_page()
    context.close()


@pytest.fixture
def sent(page: Page) -> list[Request]:
    """Return the requests that pay, in the order in which they are sent."""
    found: list[Request] = []
    page.on("request", lambda request: found.append(request) if request.url.endswith("/pay/") else None)
    return found


@pytest.mark.parametrize("leaves_by", ["the link", "the history"])
def test_a_shopper_who_turns_away_while_the_device_is_checked_does_not_pay(
    page: Page, shared_stack: Stack, sent: list[Request], leaves_by: str
) -> None:
    held: list[Route] = []
    page.route("**/ddc.html", lambda route: held.append(route))
    order(page, shared_stack)
    fill_in(page)
    page.get_by_role("button", name=PAY).click()
    expect(page.get_by_role("status")).to_contain_text("Paying…")
    if leaves_by == "the link":
        link = page.get_by_role("link", name="Go back to Example Shop without paying")
        # The shop does not answer yet, so that the page stays.
        page.route(link.get_attribute("href") or "", lambda route: route.fulfill(status=204))
        link.click(no_wait_after=True)
    else:
        page.evaluate(RESUMED)
    held.pop().continue_()
    expect(page.get_by_role("status")).to_have_text("Nothing was paid.")
    assert sent == []
    page.get_by_role("button", name=PAY).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Payment complete")
    assert len(sent) == 1


@pytest.mark.parametrize(
    "script",
    [
        "setPublicKey() { throw new Error('not a key') }, encrypt: () => 'sealed'",
        "setPublicKey() {}, encrypt() { throw new Error('no random numbers') }",
        "setPublicKey() {}, encrypt: () => null",
        "setPublicKey() {}, encrypt(card, onError) { onError([999]); return null }",
    ],
    ids=["the key is refused", "it fails", "it says nothing", "its code is unknown"],
)
def test_a_card_that_cannot_be_encrypted_is_not_sent_and_the_shopper_reads_that(
    page: Page, shared_stack: Stack, sent: list[Request], script: str
) -> None:
    body = f"window.Worldpay = {{ {script} }};"
    page.route(SCRIPT, lambda route: route.fulfill(content_type="text/javascript", body=body))
    order(page, shared_stack)
    fill_in(page)
    page.locator("#pay-form").evaluate("form => { form.dataset.publicKey = '1#10001#c0ffee' }")
    page.get_by_role("button", name=PAY).click()
    expect(page.get_by_role("status")).to_have_text(
        "The card could not be encrypted, and nothing was paid. Please load this page again, or use another "
        "browser."
    )
    expect(page.get_by_role("button", name=PAY)).to_be_enabled()
    assert sent == []


def test_a_device_check_that_fails_at_once_keeps_nobody_from_paying(
    page: Page, shared_stack: Stack, sent: list[Request]
) -> None:
    page.add_init_script(NO_FRAMES)
    order(page, shared_stack)
    fill_in(page)
    page.get_by_role("button", name=PAY).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Payment complete")
    assert "device_data_reference" not in posted(sent[0])


@pytest.mark.parametrize("page", [320, 1280], indirect=True)
def test_on_a_slow_network_the_page_says_that_the_card_form_is_to_come(
    page: Page, shared_stack: Stack
) -> None:
    held: list[Route] = []
    order(page, shared_stack)
    page.route(SCRIPT, lambda route: held.append(route))
    page.reload(wait_until="commit")
    wait_until(lambda: page.evaluate(STYLED), "the style sheet")
    loading = page.get_by_role("status").filter(has_text="The card form")
    expect(loading).to_contain_text("The card form is loading.")
    expect(page.get_by_label("Card number")).to_be_hidden()
    assert_accessible(page)
    held.pop().continue_()
    expect(page.get_by_label("Card number")).to_be_visible()
    expect(page.get_by_text("The card form is loading.")).to_be_hidden()


def test_on_paper_a_result_has_the_payment_and_nothing_to_press(page: Page, shared_stack: Stack) -> None:
    reference = order(page, shared_stack)
    fill_in(page)
    page.get_by_role("button", name=PAY).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Payment complete")
    closing, footer = page.get_by_text("To keep a record, print it"), page.get_by_role("contentinfo")
    for shown in (closing, footer):
        expect(shown).to_be_visible()
    page.emulate_media(media="print")
    expect(page.get_by_text(reference)).to_be_visible()
    for hidden in (closing, footer, page.get_by_role("link", name="Back to Example Shop")):
        expect(hidden).to_be_hidden()
