"""Payment links on which shoppers choose a quantity or an amount, and give an e-mail address."""

import pytest
import requests
from playwright.sync_api import Browser, expect

from tests.browser.flows.books import assert_paid_once
from tests.browser.flows.merchant import call, link
from tests.browser.flows.shopper import FRICTIONLESS, REFERENCE, Shopper, shopping
from tests.browser.looking import assert_accessible
from tests.support.stack import Stack

TIMES = "\N{MULTIPLICATION SIGN}"

pytestmark = pytest.mark.browser


def go_on(shopper: Shopper) -> None:
    shopper.page.get_by_role("button", name="Continue to payment").click()


def is_at_checkout(shopper: Shopper, total: str) -> str:
    expect(shopper.page).to_have_url(REFERENCE)
    (shopper.reference,) = REFERENCE.findall(shopper.page.url)
    expect(shopper.page.get_by_role("region", name="Your order")).to_contain_text(total)
    return shopper.reference


def is_told(shopper: Shopper, field: str, error: str) -> None:
    """Check that an error is in the title, in the summary with a link to its field, and beside the field."""
    expect(shopper.page).to_have_title("Error: Example Shop")
    shopper.page.get_by_role("alert").get_by_role("link", name=error).click()
    expect(shopper.page.get_by_label(field)).to_be_focused()
    expect(shopper.page.get_by_label(field)).to_have_accessible_description(
        f"{_hint(shopper, field)} {error}"
    )
    assert_accessible(shopper.page)
    shopper.traffic.complaints.clear()  # the console reports the status 400


def _hint(shopper: Shopper, field: str) -> str:
    first = shopper.page.get_by_label(field).get_attribute("aria-describedby") or ""
    return shopper.page.locator(f"#{first.split()[0]}").inner_text()


def test_a_shopper_buys_three_and_pays_three_times_the_price(shopper: Shopper) -> None:
    shopper.page.goto(link(shopper.stack, reusable=True, max_quantity=5)["url"])
    assert_accessible(shopper.page)
    for wrong in ("6", "0", "two"):
        shopper.page.get_by_label("Quantity").fill(wrong)
        go_on(shopper)
        expect(shopper.page.get_by_label("Quantity")).to_have_value(wrong)
        is_told(shopper, "Quantity", "Enter a number from 1 to 5.")
    shopper.page.get_by_label("Quantity").fill("3")
    go_on(shopper)
    reference = is_at_checkout(shopper, "£37.50")
    expect(shopper.page.get_by_role("region", name="Your order")).to_contain_text(f"3 {TIMES} Darjeeling tea")
    shopper.pay(FRICTIONLESS)
    shopper.is_told_paid()
    assert_paid_once(shopper.stack, reference, 3750, "GBP")


def test_a_shopper_chooses_the_amount_within_its_bounds(shopper: Shopper) -> None:
    made = link(shopper.stack, reusable=True, amount=2000, min_amount=500, max_amount=100_000)
    shopper.page.goto(made["url"])
    assert_accessible(shopper.page)
    expect(shopper.page.get_by_label("Amount in GBP")).to_have_value("20.00")
    for wrong in ("4.99", "1000.01", "-10", "1,000.00", ""):
        shopper.page.get_by_label("Amount in GBP").fill(wrong)
        go_on(shopper)
        is_told(shopper, "Amount in GBP", "Enter an amount from £5.00 to £1,000.00.")
    shopper.page.get_by_label("Amount in GBP").fill("33,30")
    go_on(shopper)
    is_at_checkout(shopper, "£33.30")


def test_a_mistyped_address_is_asked_about_once_and_the_suggestion_is_taken(shopper: Shopper) -> None:
    made = link(shopper.stack, asks_email=True)
    shopper.page.goto(made["url"])
    go_on(shopper)
    is_told(shopper, "E-mail address", "Enter an e-mail address, such as name@example.com.")
    shopper.page.get_by_label("E-mail address").fill("ada@gmial.com")
    go_on(shopper)
    expect(shopper.page.get_by_role("status")).to_contain_text("Did you mean ada@gmail.com?")
    assert_accessible(shopper.page)
    shopper.page.get_by_role("button", name="Use ada@gmail.com").click()
    reference = is_at_checkout(shopper, "£12.50")
    assert call(shopper.stack, "GET", f"/payments/{reference}")["customer_email"] == "ada@gmail.com"


def test_a_shopper_insists_on_an_address_that_only_looks_mistyped(shopper: Shopper) -> None:
    shopper.page.goto(link(shopper.stack, asks_email=True)["url"])
    shopper.page.get_by_label("E-mail address").fill("ada@gmial.com")
    go_on(shopper)
    expect(shopper.page.get_by_label("E-mail address")).to_have_value("ada@gmial.com")
    go_on(shopper)
    reference = is_at_checkout(shopper, "£12.50")
    assert call(shopper.stack, "GET", f"/payments/{reference}")["customer_email"] == "ada@gmial.com"


def test_a_link_works_without_javascript_and_a_double_click_makes_one_payment(
    browser: Browser, shared_stack: Stack
) -> None:
    made = link(shared_stack, asks_email=True)
    with shopping(browser, shared_stack, java_script_enabled=False) as shopper:
        shopper.page.goto(made["url"])
        shopper.page.get_by_label("E-mail address").fill("ada@example.com")
        shopper.page.get_by_role("button", name="Continue to payment").dblclick()
        reference = is_at_checkout(shopper, "£12.50")
    found = call(shared_stack, "GET", f"/payments/by-order?order_reference={made['order_reference']}")
    assert found["id"] == reference


def test_the_qr_code_of_a_link_is_an_image_of_its_own_in_the_dark_too(shopper: Shopper) -> None:
    made = link(shopper.stack)
    answer = requests.get(made["qr_code_url"], timeout=10)
    assert answer.headers["Content-Type"] == "image/svg+xml"
    assert (
        "script-src 'none'" in answer.headers["Content-Security-Policy"]
        or "default-src 'none'" in (answer.headers["Content-Security-Policy"])
    )
    shopper.page.emulate_media(color_scheme="dark")
    shopper.page.goto(made["qr_code_url"])
    light = shopper.page.evaluate("document.querySelector('path').getAttribute('fill')")
    assert light in ("#fff", "#ffffff", "white")
