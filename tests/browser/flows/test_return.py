"""The return from the bank: a form that another site posts without cookies, perhaps more than once."""

import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import pytest
import requests
from playwright.sync_api import CDPSession, Request, expect

from tests.browser.flows.books import assert_paid_once
from tests.browser.flows.shopper import CHALLENGED, TEA, TEA_PRICE, Shopper

pytestmark = pytest.mark.browser

RETURN = re.compile(r"/challenge/return/[\w-]+/$")
SEND_FORM = """([action, fields]) => {
  const form = Object.assign(document.createElement("form"), {method: "post", action});
  for (const [name, value] of Object.entries(fields))
    form.append(Object.assign(document.createElement("input"), {name, value}));
  document.body.append(form);
  form.submit();
}"""


@dataclass
class Wire:
    """The actual traffic of the browser's network stack, which pages and scripts cannot see."""

    devtools: CDPSession
    sent: dict[str, dict[str, Any]] = field(default_factory=dict)
    received: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    returns: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.devtools.on("Network.requestWillBeSent", self._note_request)
        self.devtools.on("Network.requestWillBeSentExtraInfo", self._note_sent)
        self.devtools.on("Network.responseReceivedExtraInfo", self._note_received)
        self.devtools.send("Network.enable")

    def _note_request(self, event: dict[str, Any]) -> None:
        if RETURN.search(event["request"]["url"]) and event["request"]["method"] == "POST":
            self.returns.append(event["requestId"])

    def _note_sent(self, event: dict[str, Any]) -> None:
        # Redirects have the identifier of their request, so the first event is the POST.
        self.sent.setdefault(event["requestId"], event)

    def _note_received(self, event: dict[str, Any]) -> None:
        self.received.setdefault(event["requestId"], []).append(event)


def test_the_return_needs_no_cookie_sets_none_and_the_shopper_keeps_the_orders(shopper: Shopper) -> None:
    wire = Wire(shopper.devtools)
    reference = shopper.order_and_pay(CHALLENGED)
    before = shopper.page.context.cookies(shopper.stack.web_url)
    shopper.decide("Approve")
    shopper.is_told_paid()

    (posted,) = wire.returns
    sent, answer = wire.sent[posted], wire.received[posted][0]
    assert "cookie" not in {name.lower() for name in sent["headers"]}
    # The check above is meaningful only if the browser has our cookies and withholds them.
    kept_back = {cookie["cookie"]["name"] for cookie in sent["associatedCookies"] if cookie["blockedReasons"]}
    assert kept_back == {"orders", "csrftoken", "checkout_language"}
    assert answer["statusCode"] == 303
    assert "set-cookie" not in {name.lower() for name in answer["headers"]}

    assert shopper.page.context.cookies(shopper.stack.web_url) == before
    shopper.page.goto(f"{shopper.stack.web_url}/")
    orders = shopper.page.get_by_role("region", name="Your orders")
    expect(orders.get_by_role("listitem")).to_have_count(1)
    expect(orders).to_contain_text(TEA)
    assert_paid_once(shopper.stack, reference, *TEA_PRICE)


def replay(request: Request) -> requests.Response:
    """Send an exact copy of a browser's POST."""
    headers = {name: value for name, value in request.all_headers().items() if not name.startswith(":")}
    return requests.post(
        request.url, data=request.post_data_buffer, headers=headers, allow_redirects=False, timeout=30
    )


def test_a_second_post_of_the_return_gets_the_same_answer_and_moves_nothing(shopper: Shopper) -> None:
    reference = shopper.order_and_pay(CHALLENGED)
    with shopper.page.expect_request(RETURN) as returned:
        shopper.decide("Approve")
    shopper.is_told_paid()
    assert_paid_once(shopper.stack, reference, *TEA_PRICE)
    for _ in range(2):
        again = replay(returned.value)
        assert (again.status_code, again.headers["Location"]) == (303, f"/checkout/{reference}/result/")
        assert "Set-Cookie" not in again.headers
    assert_paid_once(shopper.stack, reference, *TEA_PRICE)


def test_a_second_post_while_the_first_is_held_is_answered_too(shopper: Shopper) -> None:
    reference = shopper.order_and_pay(CHALLENGED)
    slowly = {"knob": {"verb": "complete", "delay_ms": 1500, "times": 1}}
    requests.post(f"{shopper.stack.sandbox_url}/scenarios/", json=slowly, timeout=10).raise_for_status()
    with shopper.page.expect_request(RETURN) as returned:
        shopper.page.get_by_role("button", name="Approve").click(no_wait_after=True)
    again = replay(returned.value)
    assert (again.status_code, again.headers["Location"]) == (303, f"/checkout/{reference}/result/")
    shopper.is_told_paid()
    assert_paid_once(shopper.stack, reference, *TEA_PRICE)


def test_the_banks_form_sent_from_a_second_tab_leads_to_the_result(shopper: Shopper) -> None:
    reference = shopper.order_and_pay(CHALLENGED)
    with shopper.page.expect_request(RETURN) as returned:
        shopper.decide("Approve")
    shopper.is_told_paid()
    fields = dict(parse_qsl(returned.value.post_data, keep_blank_values=True))
    shopper.page = shopper.page.context.new_page()
    shopper.page.goto(f"{shopper.stack.sandbox_url}/")
    shopper.page.evaluate(SEND_FORM, [returned.value.url, fields])
    shopper.is_told_paid()
    assert_paid_once(shopper.stack, reference, *TEA_PRICE)


def test_back_from_the_bank_shows_our_page_from_which_the_payment_can_be_cancelled(shopper: Shopper) -> None:
    shopper.order_and_pay(CHALLENGED)
    expect(shopper.page.get_by_role("button", name="Approve")).to_be_visible()
    shopper.page.go_back()
    expect(shopper.page.get_by_role("heading", level=1)).to_contain_text("check is not finished")
    expect(shopper.page.get_by_role("button", name="Continue to your bank")).to_be_visible()
    shopper.page.get_by_role("link", name="Cancel the payment").click()
    shopper.page.get_by_role("button", name="Cancel the payment").click()
    expect(shopper.page.get_by_role("heading", level=1)).to_have_text("Payment cancelled")
