"""JavaScript is disabled after the card was sealed: the shopper can go on with buttons."""

import pytest
from playwright.sync_api import Browser, Route, expect

from tests.browser.flows.books import assert_nothing_taken, assert_paid_once
from tests.browser.flows.shopper import CHALLENGED, TEA_PRICE, Shopper, shopping
from tests.support.frames import click_in_frame
from tests.support.stack import Stack

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("choice", ["Approve", "Fail"])
def test_buttons_lead_through_a_challenge_in_the_whole_window(shopper: Shopper, choice: str) -> None:
    shopper.lose_javascript_when_paying()
    reference = shopper.order_and_pay(CHALLENGED)
    shopper.is_at("challenge", "Your bank wants to check that it is you")
    for button in ("Continue to your bank", "Continue to your bank", choice):
        shopper.page.get_by_role("button", name=button).click()
    for _ in ("the issuer's page", "the provider's page"):
        shopper.page.get_by_role("button", name="Return to the shop").click()
    if choice == "Approve":
        shopper.is_told_paid()
        assert_paid_once(shopper.stack, reference, *TEA_PRICE)
    else:
        shopper.is_told_not_paid("could not confirm that it is you")
        assert_nothing_taken(shopper.stack, reference)


def test_buttons_lead_through_a_challenge_in_a_frame(framed_shopper: Shopper) -> None:
    page = framed_shopper.page
    framed_shopper.lose_javascript_when_paying()
    reference = framed_shopper.order_and_pay(CHALLENGED)
    # Chromium disables scripts only in the window. Frames of another site keep theirs, so they are loaded
    # empty.
    page.route("**/*.js", _answer_with_nothing)
    framed_shopper.is_at("challenge", "Your bank wants to check that it is you")
    page.get_by_role("button", name="Show the check above").click()
    frame = page.frame_locator('iframe[name="challenge"]')
    for button in ("Continue to your bank", "Approve"):
        click_in_frame(frame.get_by_role("button", name=button))
    # Buttons of the same name lead from the issuer's page to the provider's, and from there to the shop.
    for site in (framed_shopper.stack.sandbox_url, framed_shopper.stack.web_url):
        form = frame.locator(f'form[action^="{site}"]')
        click_in_frame(form.get_by_role("button", name="Return to the shop"))
    click_in_frame(frame.get_by_role("button", name="Continue", exact=True))
    # `is_told_paid` would fail, because a form without fields adds a question mark to the address.
    expect(page.get_by_role("heading", level=1)).to_have_text("Payment complete")
    assert_paid_once(framed_shopper.stack, reference, *TEA_PRICE)


def _answer_with_nothing(route: Route) -> None:
    route.fulfill(content_type="text/javascript", body="")


def test_the_card_form_says_why_it_needs_javascript(browser: Browser, shared_stack: Stack) -> None:
    with shopping(browser, shared_stack, java_script_enabled=False) as shopper:
        shopper.order()
        reason = shopper.page.locator("noscript strong")
        expect(reason).to_have_text("Paying by card needs JavaScript.")
        expect(reason).to_be_visible()
        expect(shopper.page.get_by_label("Card number")).to_be_hidden()
        expect(shopper.page.get_by_text("The card form is loading.")).to_be_hidden()
        expect(shopper.page.get_by_role("region", name="Your order")).to_contain_text("£12.50")


def test_a_form_that_was_sent_without_a_sealed_card_pays_nothing(shopper: Shopper) -> None:
    reference = shopper.order()
    shopper.page.evaluate("document.getElementById('pay-form').submit()")
    expect(shopper.page.get_by_role("alert")).to_contain_text("did not arrive encrypted")
    assert_nothing_taken(shopper.stack, reference, tries=0)
    (complaint,) = shopper.traffic.complaints
    assert "status of 400" in complaint
    shopper.traffic.complaints.clear()
