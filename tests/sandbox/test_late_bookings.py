"""Captures and refunds that the bank accepts, and carries out much later."""

import pytest

from sandbox.traits import drawn
from tests.sandbox.merchant import Merchant, turn
from tests.support.waiting import wait_until


def test_what_is_booked_late_shows_nowhere_before(sandbox_of):
    with sandbox_of(settle_seconds=0, late_booking_seconds=3600, replication_seconds=0) as url:
        merchant = Merchant(url)
        merchant.submit("order-1", "BOOKED_LATE")
        assert merchant.capture("order-1", 300).root.find(".//captureReceived") is not None
        assert merchant.inquire("order-1").text("lastEvent") == "AUTHORISED"
        assert merchant.books("order-1")["capture_requested"] == 300
        turn(url, clock_scale=1e6)
        wait_until(lambda: merchant.books("order-1")["captured"] == 300, "the booking")
        turn(url, clock_scale=1)
        merchant.refund("order-1", 100)
        assert merchant.inquire("order-1").text("lastEvent") == "CAPTURED"


@pytest.mark.parametrize(
    "trait", ["no_deduplication", "early_notification", "synchronous_replies", "refund_refused_online"]
)
def test_an_order_that_is_booked_late_has_no_trait_that_would_book_it_at_once(trait):
    assert drawn("seed", "order-1", {trait: 1.0}) == [trait]
    assert drawn("seed", "order-1", {trait: 1.0, "booked_late": 1.0}) == ["booked_late"]
