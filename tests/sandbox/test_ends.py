"""Authorisations that the bank ends without a request: they expire, or its risk service cancels them."""

import pytest
from defusedxml.ElementTree import fromstring

from tests.sandbox.merchant import Merchant
from tests.support.waiting import wait_until


@pytest.fixture
def expiring(sandbox_of, inbox):
    with sandbox_of(notification_url=inbox.url, expiry_seconds=0) as url:
        yield Merchant(url)


def told(inbox) -> list[tuple[str, str]]:
    """Return the last event and the type of the journal of each notification."""
    found = [fromstring(body) for body in inbox.bodies]
    return [
        (root.findtext(".//lastEvent", ""), str(root.find(".//journal").get("journalType"))) for root in found
    ]


def test_an_authorisation_that_is_not_captured_expires(expiring, inbox):
    assert expiring.submit("order-1", "EXPIRES").text("lastEvent") == "AUTHORISED"
    wait_until(lambda: len(inbox.bodies) == 2, "both notifications")
    assert sorted(told(inbox)) == [("AUTHORISED", "AUTHORISED"), ("EXPIRED", "EXPIRED")]
    assert expiring.inquire("order-1").text("lastEvent") == "EXPIRED"
    assert expiring.capture("order-1", 1).error[0] == "5"
    assert expiring.cancel("order-1").error[0] == "5"


def test_an_authorisation_that_is_captured_does_not_expire(sandbox_of):
    with sandbox_of(expiry_seconds=0.3) as url:
        merchant = Merchant(url)
        merchant.submit("order-1", "EXPIRES")
        merchant.capture("order-1", 600)
        wait_until(lambda: "lapsed" in kinds(merchant), "the expiry to lapse")
        assert merchant.inquire("order-1").text("lastEvent") == "CAPTURED"


def kinds(merchant: Merchant) -> list[str]:
    return [event["kind"] for event in merchant.books("order-1")["events"]]


@pytest.mark.parametrize("capture_delay", ["OFF", "0"])
def test_an_order_may_be_cancelled_by_risk_as_soon_as_it_is_authorised(notifying, inbox, capture_delay):
    reply = notifying.submit("order-1", "CANCELLED_BY_RISK", capture_delay=capture_delay)
    assert reply.text("lastEvent") == "AUTHORISED"
    wait_until(lambda: len(inbox.bodies) == 2, "both notifications")
    assert told(inbox) == [("CANCELLED", "AUTHORISED"), ("CANCELLED", "CANCELLED")]
    books = notifying.books("order-1")
    assert (books["authorised"], books["cancelled"], books["capture_requested"]) == (1050, 1050, 0)
    assert notifying.inquire("order-1").text("lastEvent") == "CANCELLED"


def test_a_cancel_of_the_merchant_may_be_told_late_and_in_the_queue_of_the_bookings(sandbox_of, inbox):
    with sandbox_of(notification_url=inbox.url, settle_seconds=0.3) as url:
        merchant = Merchant(url)
        merchant.submit("order-1", "CANCELLED_BOOKED")
        merchant.cancel("order-1")
        assert merchant.inquire("order-1").text("lastEvent") == "CANCELLED"
        merchant.submit("order-2", "REFUSED")
        wait_until(lambda: len(inbox.bodies) == 3, "all notifications")
    assert [kind for _, kind in told(inbox)] == ["AUTHORISED", "REFUSED", "CANCELLED"]
