"""The shopper's way back to the shop, with the signed result of the payment."""

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import expect
from standardwebhooks import Webhook

from tests.browser.flows.merchant import call, order
from tests.browser.flows.shopper import FRICTIONLESS, Shopper
from tests.support.stack import Stack

pytestmark = pytest.mark.browser

THANKS = re.compile(r"/orders/thanks/\?")
LEFT = re.compile(r"/orders/left/\?")


@pytest.fixture
def secret(shared_stack: Stack) -> Iterator[str]:
    """Yield the secret of an endpoint of the merchant, which receives none of the test's events."""
    wanted = {"url": "http://localhost:9/hooks", "event_types": ["dispute.opened"]}
    endpoint = call(shared_stack, "POST", "/webhook-endpoints", **wanted)
    yield str(endpoint["secret"])
    call(shared_stack, "DELETE", f"/webhook-endpoints/{endpoint['id']}")


def open_payment(shopper: Shopper) -> dict[str, Any]:
    shop = f"{shopper.stack.web_url}/orders"
    made = order(shopper.stack, return_url=f"{shop}/thanks/?basket=7", cancel_url=f"{shop}/left/")
    shopper.reference = made["id"]
    shopper.page.goto(made["next_action"]["url"])
    return made


def signed_result(address: str, secret: str) -> dict[str, Any]:
    """Return the result in an address, after checking its signature."""
    query = {name: value for name, (value,) in parse_qs(urlsplit(address).query).items()}
    names = {"id": query["payment"], "timestamp": query["timestamp"], "signature": query["signature"]}
    Webhook(secret).verify(query["result"], {f"webhook-{name}": value for name, value in names.items()})
    return dict(json.loads(query["result"]))


def arrived(shopper: Shopper) -> None:
    """Ignore that the address of the test's shop shows an error page."""
    shopper.traffic.complaints.clear()


def test_a_shopper_who_has_paid_comes_back_by_itself_with_the_signed_result(
    shopper: Shopper, secret: str
) -> None:
    made = open_payment(shopper)
    shopper.pay(FRICTIONLESS)
    shopper.is_told_paid()
    expect(shopper.page.get_by_role("status")).to_contain_text("in a few seconds")
    expect(shopper.page).to_have_url(THANKS)
    result = signed_result(shopper.page.url, secret)
    assert (result["type"], result["payment"]) == ("checkout.return", made["id"])
    assert (result["amount"], result["currency"]) == (1250, "GBP")
    assert result["state"] in ("authorised", "capture_pending", "captured")
    assert "basket=7" in shopper.page.url
    arrived(shopper)


def test_back_from_the_shop_shows_the_result_and_leads_nowhere_by_itself(shopper: Shopper) -> None:
    open_payment(shopper)
    shopper.pay(FRICTIONLESS)
    expect(shopper.page).to_have_url(THANKS)
    arrived(shopper)
    shopper.page.go_back()
    shopper.is_told_paid()
    expect(shopper.page.get_by_role("button", name="Stay on this page")).to_be_hidden()


def test_a_shopper_can_stay_on_the_result(shopper: Shopper) -> None:
    # Otherwise the page would have to be watched for eight seconds to see that it stays.
    shopper.page.add_init_script("window.timers = 0; const later = setTimeout, clear = clearTimeout;"
        "setTimeout = (...all) => { window.timers += 1; return later(...all); };"
        "clearTimeout = (timer) => { window.timers -= 1; clear(timer); };")  # fmt: skip
    open_payment(shopper)
    shopper.pay(FRICTIONLESS)
    shopper.is_told_paid()
    assert shopper.page.evaluate("timers") == 1
    shopper.page.get_by_role("button", name="Stay on this page").click()
    expect(shopper.page.get_by_text("in a few seconds")).to_be_hidden()
    assert shopper.page.evaluate("timers") == 0
    shopper.page.get_by_role("link", name="Back to Example Shop").click()
    expect(shopper.page).to_have_url(THANKS)
    arrived(shopper)


def test_a_shopper_who_cancels_comes_back_to_the_address_for_that(shopper: Shopper, secret: str) -> None:
    open_payment(shopper)
    shopper.page.get_by_role("link", name="Cancel the payment").click()
    shopper.page.get_by_role("button", name="Cancel the payment").click()
    expect(shopper.page).to_have_url(LEFT)
    assert signed_result(shopper.page.url, secret)["state"] == "cancelled"
    arrived(shopper)


def test_a_state_that_somebody_typed_is_not_signed(shopper: Shopper, secret: str) -> None:
    made = open_payment(shopper)
    shopper.page.goto(
        f"{shopper.url_of('return')}?result=%7B%22state%22%3A%22captured%22%7D&signature=v1,AAAA"
    )
    expect(shopper.page).to_have_url(THANKS)
    assert "AAAA" not in shopper.page.url
    assert signed_result(shopper.page.url, secret)["state"] == "open"
    assert made["state"] == "open"
    arrived(shopper)
