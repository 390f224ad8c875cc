"""The bank's challenge in a frame of our page, after which the shopper must be in the whole window again."""

import re
from contextlib import suppress
from html import escape
from urllib.parse import parse_qsl

import pytest
from playwright.sync_api import Error, FrameLocator, Request, Route, expect

from tests.browser.flows.books import assert_nothing_taken, assert_paid_once
from tests.browser.flows.shopper import CHALLENGED, FRICTIONLESS, TEA_PRICE, Shopper
from tests.support.waiting import wait_until

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


def in_a_frame_of_its_own(route: Route) -> None:
    """Answer as a provider or issuer that shows the rest of the challenge in a frame of its own."""
    request = route.request
    if request.frame.name == "inner":
        route.continue_()
        return
    fields = parse_qsl(request.post_data or "", keep_blank_values=True)
    inputs = "".join(f'<input type="hidden" name="{name}" value="{escape(value)}">' for name, value in fields)
    page = (
        '<iframe name="inner" width="500" height="500"></iframe>'
        f'<form id="on" method="post" target="inner" action="{request.url}">{inputs}</form>'
        '<script>document.getElementById("on").submit()</script>'
    )
    route.fulfill(content_type="text/html", body=page)


def test_a_shopper_can_leave_a_frame_that_the_bank_has_opened(shopper: Shopper) -> None:
    """Chromium leaves a frame of another site when somebody presses a button in it, after a complaint.

    The press of the bank's own button may still count.
    """
    shopper.page.route("**/3ds/challenge.html", in_a_frame_of_its_own)
    reference = shopper.order_and_pay(CHALLENGED)
    inner = shopper.page.frame_locator('iframe[name="inner"]')
    shopper.decide("Approve", inner)
    onward = inner.get_by_role("button", name="Continue")
    paid = shopper.page.get_by_role("heading", level=1, name="Payment complete")

    def go_on() -> bool:
        with suppress(Error):  # the frame may be left meanwhile
            if onward.is_visible():
                onward.click(timeout=2000)
        return paid.is_visible()

    wait_until(go_on, "the result of the payment")
    assert_paid_once(shopper.stack, reference, *TEA_PRICE)
    shopper.traffic.complaints[:] = [
        text for text in shopper.traffic.complaints if "Unsafe attempt to initiate navigation" not in text
    ]


def test_a_frame_that_the_bank_has_opened_in_ours_leads_the_whole_window_on(framed_shopper: Shopper) -> None:
    framed_shopper.page.route("**/3ds/challenge.html", in_a_frame_of_its_own)
    framed_shopper.page.route("**/status.json", lambda route: route.abort())
    reference = framed_shopper.order_and_pay(CHALLENGED)
    framed_shopper.decide("Approve", frame_of(framed_shopper).frame_locator('iframe[name="inner"]'))
    framed_shopper.is_told_paid()
    assert_paid_once(framed_shopper.stack, reference, *TEA_PRICE)
    framed_shopper.traffic.complaints.clear()  # of the queries that were given up


def test_only_the_way_back_may_be_framed(framed_shopper: Shopper) -> None:
    framed_shopper.order_and_pay(CHALLENGED)
    framed_shopper.decide("Approve", frame_of(framed_shopper))
    framed_shopper.is_told_paid()
    policy = returned(framed_shopper).response().headers["content-security-policy"]
    assert "frame-ancestors 'self' https:" in policy
    result = framed_shopper.page.request.get(framed_shopper.url_of("result"))
    assert "frame-ancestors 'none'" in result.headers["content-security-policy"]


def test_no_frame_is_shown_to_a_shopper_whose_bank_asks_nothing(framed_shopper: Shopper) -> None:
    reference = framed_shopper.order_and_pay(FRICTIONLESS)
    framed_shopper.is_told_paid()
    assert not [request for request in framed_shopper.traffic.requests if request.url.endswith("/challenge/")]
    assert_paid_once(framed_shopper.stack, reference, *TEA_PRICE)
