"""Each page by itself: its layout at any width, its accessibility and operation, and its requests."""

import json
import re
from collections.abc import Iterator
from functools import partial
from typing import Literal
from urllib.parse import parse_qs

import pytest
from playwright.sync_api import Browser, Page, Request, Response, Route, expect

from tests.browser.looking import assert_accessible
from tests.support.stack import Stack
from tests.support.waiting import wait_until

pytestmark = pytest.mark.browser

MAX_PAGE_BYTES = 50_000
CARD = "4444333322221111"
STATES = ("open", "confirming", "captured", "refused", "expired")
FIELDS = {"Card number": CARD, "Expiry date": "1239", "Security code": "123", "Name on card": "A. Shopper"}


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    context.set_default_timeout(40_000)
    yield context.new_page()
    context.close()


FASTER_TIMERS = (
    "const real = setTimeout; window.setTimeout = (run, ms, ...told) => real(run, ms / 10, ...told)"
)


def order(page: Page, stack: Stack) -> str:
    """Order an item, which leads to the checkout. Return the payment's reference."""
    page.goto(f"{stack.web_url}/")
    page.get_by_role("button", name=re.compile("^Buy ")).first.click()
    page.wait_for_url("**/checkout/**")
    return page.url.split("/")[-2]


def fill_in(page: Page) -> None:
    for label, value in FIELDS.items():
        page.get_by_label(label).fill(value)


@pytest.mark.parametrize(
    ("typed", "is_read"),
    [
        ("12/39", True),
        ("12 / 2039", True),
        ("09 / 2039", True),
        ("9-39", True),
        ("092039", True),
        ("0939", True),
        ("2039-09", True),
        ("12.2039", True),
        ("12 2039", True),
        ("13/39", False),
        ("12/2019", False),
        ("12", False),
        ("12/203", False),
    ],
)
def test_an_expiry_date_is_read_with_any_separator_and_a_short_or_long_year(
    page: Page, shared_stack: Stack, typed: str, is_read: bool
) -> None:
    order(page, shared_stack)
    for label in ("Card number", "Name on card"):
        page.get_by_label(label).fill(FIELDS[label])
    page.get_by_label("Expiry date").press_sequentially(typed)
    page.get_by_role("button", name=re.compile("^Pay ")).click()
    # Without the security code nothing is sent, and every error is shown.
    expect(page.locator("#card-cvc-error")).not_to_be_empty()
    said = page.locator("#card-expiry-error")
    expect(said).to_be_empty() if is_read else expect(said).not_to_be_empty()


@pytest.mark.parametrize("zero", ["\u0660", "\u06f0", "\uff10"], ids=["Arabic", "Persian", "full width"])
def test_a_card_may_be_typed_in_the_digits_of_the_shopper_s_keyboard(
    page: Page, shared_stack: Stack, zero: str
) -> None:
    """Phones' keyboards also have such digits in fields for numbers, and Japanese ones write them wide."""
    order(page, shared_stack)
    own = {ord(str(digit)): chr(ord(zero) + digit) for digit in range(10)}
    for label, value in FIELDS.items():
        page.get_by_label(label).fill(value.translate(own))
    page.get_by_role("button", name=re.compile("^Pay ")).click()
    page.wait_for_url("**/result/")
    expect(page.get_by_role("main")).to_contain_text("ending in 1111")


def posted(request: Request) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(request.post_data or "").items()}


def _weigh(sizes: dict[str, int], response: Response) -> None:
    sizes[response.url] = len(response.body())


@pytest.fixture(scope="module")
def references(browser: Browser, shared_stack: Stack) -> dict[str, str]:
    """Return a payment in each state that has a page of its own, set directly in the database."""
    context = browser.new_context()
    page = context.new_page()
    found = {state: order(page, shared_stack) for state in STATES}
    context.close()
    update = (
        "for state, reference in {}.items(): Payment.objects.filter(reference=reference).update(state=state)"
    )
    shared_stack.manage("shell", "--command", update.format(found))
    return found


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280])
def test_every_page_can_be_read_and_operated_at_any_width(
    browser: Browser,
    shared_stack: Stack,
    references: dict[str, str],
    width: int,
    scheme: Literal["light", "dark"],
) -> None:
    context = browser.new_context(viewport={"width": width, "height": 700}, color_scheme=scheme)
    page = context.new_page()
    for reference in references.values():
        page.goto(f"{shared_stack.web_url}/checkout/{reference}/")
        assert_accessible(page)
    page.goto(f"{shared_stack.web_url}/checkout/{references['open']}/")
    page.get_by_role("button", name=re.compile("^Pay ")).click()
    assert_accessible(page)
    for path in ("", "nothing/", "checkout/pay_00000000000000000000000000000000/"):
        page.goto(f"{shared_stack.web_url}/{path}")
        assert_accessible(page)
    context.close()


def test_every_page_is_small_and_asks_nobody_but_the_provider(
    browser: Browser, shared_stack: Stack, references: dict[str, str]
) -> None:
    for reference in ("", *references.values()):
        context = browser.new_context()
        page = context.new_page()
        sizes: dict[str, int] = {}
        page.on("response", partial(_weigh, sizes))
        page.goto(
            f"{shared_stack.web_url}/checkout/{reference}/" if reference else f"{shared_stack.web_url}/",
            wait_until="networkidle",
        )
        assert len(sizes) > 1
        assert sum(sizes.values()) < MAX_PAGE_BYTES, sizes
        assert all(url.startswith((shared_stack.web_url, shared_stack.sandbox_url)) for url in sizes)
        context.close()


def test_what_is_wrong_is_said_at_each_field_and_in_a_summary_that_leads_to_it(
    page: Page, shared_stack: Stack
) -> None:
    order(page, shared_stack)
    page.get_by_label("Card number").fill("4444333322221112")
    page.get_by_role("button", name=re.compile("^Pay ")).click()
    number = page.get_by_label("Card number")
    summary = page.get_by_role("alert", name="There is a problem")
    expect(summary).to_be_focused()
    expect(summary.get_by_role("link")).to_have_count(4)
    expect(page).to_have_title(re.compile("^Error: Pay "))
    expect(number).to_have_attribute("aria-invalid", "true")
    expect(number).to_have_accessible_description(re.compile("has a wrong digit"))
    for label in ("Name on card", "Expiry date", "Security code"):
        expect(page.get_by_label(label)).to_have_accessible_description(re.compile("Enter the"))
    expect(page.get_by_label("Expiry date")).to_have_accessible_description(re.compile("for example 12/30"))
    summary.get_by_role("link", name=re.compile("has a wrong digit")).click()
    expect(number).to_be_focused()
    fill_in(page)
    expect(page.locator("[aria-invalid=true]")).to_have_count(0)
    expect(summary).to_be_hidden()
    expect(page).to_have_title(re.compile("^Pay "))


def test_the_keyboard_alone_pays(page: Page, shared_stack: Stack) -> None:
    order(page, shared_stack)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_text("Details of the order")).to_be_focused()
    for label, value in FIELDS.items():
        page.keyboard.press("Tab")
        expect(page.get_by_label(label)).to_be_focused()
        page.keyboard.type(value)
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name=re.compile("^Pay "))).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Payment complete")


def test_the_card_leaves_the_page_sealed_and_only_its_first_digits_open(
    page: Page, shared_stack: Stack
) -> None:
    sent: list[Request] = []
    page.on("request", lambda request: sent.append(request))
    order(page, shared_stack)
    fill_in(page)
    page.get_by_role("button", name=re.compile("^Pay ")).click()
    page.wait_for_url("**/result/")
    everything = " ".join(f"{request.url} {request.post_data or ''}" for request in sent)
    assert CARD not in everything
    assert "Bin=444433&" in f"{everything}&".replace(" ", "&")
    form = posted(next(request for request in sent if request.url.endswith("/pay/")))
    assert form["encrypted_card"].count(".") == 4
    assert form["browser_javascript_enabled"] == "true"
    assert form["browser_colour_depth"].isdigit()
    assert form["device_data_reference"].startswith("0_")


def test_paying_is_announced_and_a_second_click_does_nothing(page: Page, shared_stack: Stack) -> None:
    sent: list[Request] = []
    held: list[Route] = []
    page.on("request", lambda request: sent.append(request))
    page.route("**/ddc.html", lambda route: held.append(route))
    order(page, shared_stack)
    fill_in(page)
    page.get_by_role("button", name=re.compile("^Pay ")).dblclick()
    expect(page.get_by_role("status")).to_contain_text("Paying…")
    expect(page.get_by_role("button", name=re.compile("^Pay "))).to_be_disabled()
    held.pop().continue_()
    page.wait_for_url("**/result/")
    assert sum(request.url.endswith("/pay/") for request in sent) == 1


@pytest.mark.parametrize("tries", [1, 2])
def test_a_shopper_whose_answer_is_lost_is_led_on_all_the_same(
    page: Page, shared_stack: Stack, tries: int
) -> None:
    page.add_init_script(FASTER_TIMERS)
    order(page, shared_stack)
    fill_in(page)
    if tries > 1:
        page.get_by_label("Card number").fill("4000000000009995")  # the sandbox refuses it
        page.get_by_role("button", name=re.compile("^Pay ")).click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Payment not made")
        fill_in(page)
    address, lost = page.url, list[Route]()
    page.route("**/pay/", lambda route: lost.append(route))
    with page.expect_response("**/status.json"):
        page.get_by_role("button", name=re.compile("^Pay ")).click(no_wait_after=True)
    assert page.url == address, "it has not arrived yet"
    lost.pop().fetch(max_redirects=0)
    page.wait_for_url("**/result/")
    expect(page.get_by_role("heading", level=1)).to_have_text("Payment complete")


def test_a_device_check_that_does_not_answer_is_not_waited_for_longer_than_ten_seconds(
    page: Page, shared_stack: Stack
) -> None:
    page.route("**/ddc.html", lambda route: route.abort())
    page.clock.install()
    order(page, shared_stack)
    fill_in(page)
    with page.expect_request("**/pay/") as paying:
        page.get_by_role("button", name=re.compile("^Pay ")).click()
        expect(page.get_by_role("status")).to_contain_text("Paying…")
        page.clock.run_for(10_001)
    assert "device_data_reference" not in posted(paying.value)


def test_only_the_frame_of_the_device_check_is_listened_to(page: Page, shared_stack: Stack) -> None:
    held: list[Route] = []
    page.route("**/ddc.html", lambda route: held.append(route))
    order(page, shared_stack)
    fill_in(page)
    page.get_by_role("button", name=re.compile("^Pay ")).click()
    expect(page.get_by_role("status")).to_contain_text("Paying…")
    forged = json.dumps({"MessageType": "profile.completed", "SessionId": "forged", "Status": True})
    page.evaluate("(message) => window.postMessage(message, '*')", forged)
    with page.expect_request("**/pay/") as paying:
        held.pop().continue_()
    assert posted(paying.value)["device_data_reference"].startswith("0_")


def test_without_the_providers_script_the_page_says_that_nothing_was_paid(
    page: Page, shared_stack: Stack
) -> None:
    page.route("**/worldpay-cse.js", lambda route: route.abort())
    order(page, shared_stack)
    expect(page.get_by_role("alert")).to_contain_text("Nothing has been paid")
    expect(page.get_by_label("Card number")).to_be_hidden()


def test_the_status_page_stands_still_for_those_who_prefer_that(
    browser: Browser, shared_stack: Stack, references: dict[str, str]
) -> None:
    context = browser.new_context(reduced_motion="reduce")
    page = context.new_page()
    page.goto(f"{shared_stack.web_url}/checkout/{references['confirming']}/status/")
    expect(page.get_by_role("status")).to_contain_text("Please do not pay again")
    assert page.evaluate("document.getAnimations().length") == 0
    context.close()


def test_an_open_status_page_says_when_staff_have_to_look(
    page: Page, shared_stack: Stack, references: dict[str, str]
) -> None:
    loaded: list[str] = []
    page.on(
        "request", lambda request: loaded.append(request.url) if request.is_navigation_request() else None
    )
    page.route("**/status.json", lambda route: route.fulfill(json={"state": "conflicted", "next": None}))
    page.goto(f"{shared_stack.web_url}/checkout/{references['confirming']}/status/")
    wait_until(lambda: page.title() and len(loaded) > 1, "the page to be loaded again")


def test_a_policy_stops_scripts_that_are_not_ours(
    page: Page, shared_stack: Stack, references: dict[str, str]
) -> None:
    page.goto(f"{shared_stack.web_url}/checkout/{references['open']}/")
    page.evaluate(
        """() => { const script = document.createElement("script");
        script.textContent = "window.ran = true"; document.body.append(script); }"""
    )
    assert page.evaluate("window.ran") is None
