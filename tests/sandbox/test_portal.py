"""Captures, refunds and cancellations in the provider's portal, as a user of the sandbox starts them."""

import pytest

from tests.sandbox.merchant import Merchant, turn
from tests.support.waiting import wait_until


@pytest.fixture
def notifying(sandbox_of, inbox):
    with sandbox_of(notification_url=inbox.url, retry_first_seconds=0.01, settle_seconds=0) as url:
        yield Merchant(url)


def test_a_part_is_captured_and_refunded_past_the_merchants_program(notifying: Merchant, inbox):
    notifying.submit("order-1", "Ann")
    turn(notifying.url, portal={"order": "order-1", "do": "capture", "amount": 500})
    wait_until(lambda: notifying.books("order-1")["captured"] == 500, "the capture")
    turn(notifying.url, portal={"order": "order-1", "do": "refund"})
    wait_until(lambda: notifying.books("order-1")["refunded"] == 500, "the refund")
    wait_until(lambda: "REFUNDED" in inbox.journal_types(), "its notification")
    assert notifying.refund("order-1", 1).error[0] == "5"
    with pytest.raises(AssertionError, match="Nothing is left to refund"):
        turn(notifying.url, portal={"order": "order-1", "do": "refund"})


def test_all_that_is_left_is_captured_once(notifying: Merchant):
    notifying.submit("order-1", "Ann")
    turn(notifying.url, portal={"order": "order-1", "do": "capture"})
    with pytest.raises(AssertionError, match="Nothing is left to capture"):
        turn(notifying.url, portal={"order": "order-1", "do": "capture"})


def test_an_authorisation_is_cancelled(notifying: Merchant, inbox):
    notifying.submit("order-1", "Ann")
    turn(notifying.url, portal={"order": "order-1", "do": "cancel"})
    assert notifying.books("order-1")["state"] == "cancelled"
    wait_until(lambda: inbox.journal_types()[-1:] == ["CANCELLED"], "its notification")


@pytest.mark.parametrize(
    "step",
    [
        {"order": "order-9", "do": "cancel"},
        {"order": "order-1", "do": "capture", "amount": 1051},
        {"order": "order-1", "do": "refund"},
        {"order": "order-1", "do": "refund", "amount": 1},
        {"order": "order-1", "do": "cancel", "amount": 300},
    ],
)
def test_what_the_portal_does_not_offer_is_refused(merchant: Merchant, sandbox: str, step: dict[str, object]):
    merchant.submit("order-1", "Ann")
    with pytest.raises(AssertionError, match="errors"):
        turn(sandbox, portal=step)
    assert merchant.books("order-1")["captured"] == 0
    assert merchant.books("order-1")["state"] == "authorised"
