"""The bank's challenge in a frame of our page, from which the shopper must return to the whole window."""

import re

import pytest
from playwright.sync_api import FrameLocator, Request, expect

from tests.browser.flows.books import assert_nothing_taken, assert_paid_once
from tests.browser.flows.shopper import CHALLENGED, FRICTIONLESS, TEA_PRICE, Shopper

pytestmark = pytest.mark.browser


def frame_of(shopper: Shopper) -> FrameLocator:
    return shopper.page.frame_locator('iframe[name="challenge"]')


def returned(shopper: Shopper) -> Request:
    (request,) = [request for request in shopper.traffic.requests if "/challenge/return/" in request.url]
    return request


def test_an_approval_in_the_frame_leads_the_whole_window_to_the_result(framed_shopper: Shopper) -> None:
    reference = framed_shopper.order_and_pay(CHALLENGED)
    framed_shopper.decide("Approve", frame_of(framed_shopper))
    framed_shopper.is_told_paid()
    expect(framed_shopper.page.locator("iframe")).to_have_count(0)
    assert_paid_once(framed_shopper.stack, reference, *TEA_PRICE)


@pytest.mark.parametrize("choice", ["Fail", "Cancel"])
def test_no_approval_in_the_frame_pays_nothing(framed_shopper: Shopper, choice: str) -> None:
    reference = framed_shopper.order_and_pay(CHALLENGED)
    framed_shopper.decide(choice, frame_of(framed_shopper))
    framed_shopper.is_told_not_paid("")
    assert_nothing_taken(framed_shopper.stack, reference)


def test_the_return_in_the_frame_neither_brings_nor_takes_cookies(framed_shopper: Shopper) -> None:
    framed_shopper.order_and_pay(CHALLENGED)
    before = framed_shopper.page.context.cookies(framed_shopper.stack.web_url)
    framed_shopper.decide("Approve", frame_of(framed_shopper))
    framed_shopper.is_told_paid()
    request = returned(framed_shopper)
    assert request.method == "POST"
    assert "cookie" not in request.all_headers()
    assert "set-cookie" not in request.response().all_headers()
    assert framed_shopper.page.context.cookies(framed_shopper.stack.web_url) == before
    framed_shopper.page.goto(f"{framed_shopper.stack.web_url}/")
    expect(framed_shopper.page.get_by_role("region", name="Your orders")).to_contain_text("Darjeeling")


def test_the_challenge_can_be_opened_in_the_whole_window_instead(framed_shopper: Shopper) -> None:
    reference = framed_shopper.order_and_pay(CHALLENGED)
    framed_shopper.page.get_by_role("button", name="in this window").click()
    expect(framed_shopper.page).to_have_url(re.compile(re.escape(framed_shopper.stack.sandbox_url)))
    framed_shopper.decide("Approve")
    framed_shopper.is_told_paid()
    assert_paid_once(framed_shopper.stack, reference, *TEA_PRICE)


@pytest.mark.parametrize(("width", "shown"), [(1280, 600), (320, 288)])
def test_the_largest_window_of_a_bank_is_as_wide_as_it_was_told_if_there_is_room(
    framed_shopper: Shopper, width: int, shown: int
) -> None:
    framed_shopper.page.set_viewport_size({"width": width, "height": 800})
    framed_shopper.order_and_pay(CHALLENGED)
    window = framed_shopper.page.locator('iframe[name="challenge"]')
    window.evaluate("window => window.width = 600")
    box = window.bounding_box()
    assert box is not None
    assert box["width"] == shown
    assert framed_shopper.page.evaluate("document.documentElement.scrollWidth") == width


def test_only_the_way_back_may_be_framed_and_only_by_us(framed_shopper: Shopper) -> None:
    framed_shopper.order_and_pay(CHALLENGED)
    framed_shopper.decide("Approve", frame_of(framed_shopper))
    framed_shopper.is_told_paid()
    assert "frame-ancestors 'self'" in returned(framed_shopper).response().headers["content-security-policy"]
    result = framed_shopper.page.request.get(framed_shopper.url_of("result"))
    assert "frame-ancestors 'none'" in result.headers["content-security-policy"]


def test_no_frame_is_shown_to_a_shopper_whose_bank_asks_nothing(framed_shopper: Shopper) -> None:
    reference = framed_shopper.order_and_pay(FRICTIONLESS)
    framed_shopper.is_told_paid()
    assert not [request for request in framed_shopper.traffic.requests if request.url.endswith("/challenge/")]
    assert_paid_once(framed_shopper.stack, reference, *TEA_PRICE)
