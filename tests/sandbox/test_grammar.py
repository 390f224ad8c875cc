"""All requests and answers, checked against the provider's own DTD."""

from datetime import UTC, datetime, timedelta

import pytest
from lxml import etree

from tests.sandbox.merchant import Merchant, Shopper, machine_cookie, turn
from tests.support.waiting import wait_until

pytestmark = pytest.mark.dtd


@pytest.fixture(scope="module")
def grammar(dtd):
    return etree.DTD(str(dtd))


def _assert_valid(grammar, document: bytes) -> None:
    parser = etree.XMLParser(load_dtd=False, no_network=True, resolve_entities=False)
    root = etree.fromstring(document, parser)
    assert grammar.validate(root), f"{grammar.error_log.filter_from_errors()}\n{document.decode()}"


def test_every_reply_and_notification_is_valid(sandbox_of, inbox, grammar):
    with sandbox_of(notification_url=inbox.url) as url:
        merchant, shopper = Merchant(url), Shopper(url)
        for number, holder in enumerate(("Ann", "REFUSED51", "ERROR", "CANCELLED")):
            merchant.submit(f"end-{number}", holder)
        merchant.submit("cancelled")
        merchant.cancel("cancelled")
        merchant.inquire("cancelled")
        for choice in ("approve", "fail", "cancel"):
            first = merchant.submit(choice, number="4000000000002503")
            merchant.inquire(choice)
            shopper.choose(first, choice)
            merchant.complete(choice, machine_cookie(first))
        merchant.complete("approve", "machine=1")
        merchant.capture("approve", 1050)
        wait_until(lambda: merchant.books("approve")["captured"], "the capture to be booked")
        merchant.refund("approve", 50)
        merchant.refund("approve", 5000)
        wait_until(lambda: merchant.books("approve")["refunded"], "the refund to be booked")
        merchant.inquire("approve")
        now = datetime.now(UTC)
        assert merchant.list(now - timedelta(days=1), now + timedelta(days=1)).text("lastEvent")
        token = merchant.save_card("saved").text("paymentTokenID")
        kept = f"<paymentTokenID>{token}</paymentTokenID>"
        shopper_id = "<authenticatedShopperID>cus_1</authenticatedShopperID>"
        merchant.post(f"<modify><paymentTokenDelete>{kept}{shopper_id}</paymentTokenDelete></modify>")
        merchant.submit("unknown token", instrument=f"<TOKEN-SSL>{kept}</TOKEN-SSL>", three_ds=False)
        replies = [reply for _, reply in merchant.exchanges]
        unreadable = merchant.post_raw(b"not xml").content
        wait_until(lambda: len(inbox.bodies) == 13, "all notifications")
    for document in [*replies, unreadable, *inbox.bodies]:
        _assert_valid(grammar, document)


def _wait_for(merchant: Merchant, order_code: str, amount: str) -> None:
    wait_until(lambda: merchant.books(order_code)[amount], f"{amount} of {order_code}")


# Traits that exclude each other are given to different orders.
UNKIND = "NO_DEDUPLICATION NO_CEILING SETTLED LONG_JOURNALS"
ORDERS = {
    "settled": f"{UNKIND} NO_BALANCE",
    "disputed": f"{UNKIND} CHARGEBACK_REVERSED REFUND_REFERENCE_AS_CAPTURE",
    "unselected": f"{UNKIND} CAPTURED_UNSELECTED SETTLED_UNSELECTED REFUNDED_UNSELECTED",
    "failed": f"{UNKIND} REFUND_FAILED_THEN_REFUNDED EARLY_NOTIFICATION",
}


def test_what_an_unkind_bank_writes_is_valid_too(sandbox_of, inbox, grammar):
    quickly = {
        "settlement_seconds": 0.1,
        "dispute_seconds": 0.1,
        "refund_again_seconds": 0.1,
        "expiry_seconds": 0,
    }
    with sandbox_of(notification_url=inbox.url, **quickly) as url:
        merchant, shopper = Merchant(url), Shopper(url)
        for code, traits in ORDERS.items():
            merchant.submit(code, traits)
            merchant.capture(code, 2000)
            _wait_for(merchant, code, "captured")
            merchant.refund(code, 300)
            _wait_for(merchant, code, "refunded")
            merchant.inquire(code)
        merchant.refund("settled", 3000)
        turn(url, order={"traits": ["issuer_response_code"]})
        merchant.submit("refused", "REFUSED51")
        turn(url, order={"traits": ["forgotten_after_challenge"]})
        first = merchant.submit("forgotten", number="4000000000002503")
        shopper.choose(first, "approve")
        merchant.complete("forgotten", machine_cookie(first))
        merchant.submit("at once", "SYNCHRONOUS_REPLIES")
        merchant.capture("at once", 600)
        merchant.refund("at once", 300)
        for number in range(5):  # for some orders, the release of the rest is notified
            merchant.submit(f"rest {number}", "RELEASES_REST")
            merchant.capture(f"rest {number}", 600)
        merchant.submit("cancelled at once", "SYNCHRONOUS_REPLIES")
        merchant.cancel("cancelled at once")
        merchant.submit("cancelled by risk", "CANCELLED_BY_RISK")
        merchant.submit("expired", "EXPIRES")
        for fault in ("validation_failed", "two_payments"):
            turn(url, knob={"verb": "inquiry", "fault": fault})
            merchant.inquire("settled")
        turn(url, notification={"fault": "in_report"})
        merchant.submit("reported")
        turn(url, notification={"fault": "oversized"})
        merchant.submit("oversized")
        expected = {
            "EXPIRED",
            "SETTLED",
            "SENT_FOR_REFUND",
            "REFUND_FAILED",
            "CHARGED_BACK",
            "CHARGEBACK_REVERSED",
        }
        wait_until(lambda: expected <= set(inbox.journal_types()), "every kind of notification")
        wait_until(lambda: any(len(body) > 65_536 for body in inbox.bodies), "the oversized one")
        now = datetime.now(UTC)
        merchant.list(now - timedelta(days=1), now + timedelta(days=1))
        replies = [reply for _, reply in merchant.exchanges]
    for document in [*replies, *inbox.bodies]:
        _assert_valid(grammar, document)


def test_what_the_tests_send_is_valid_too(merchant, grammar):
    first = merchant.submit("order-1", number="4000000000002503")
    merchant.complete("order-1", machine_cookie(first))
    merchant.capture("order-1", 1)
    merchant.refund("order-1", 1)
    merchant.cancel("order-1")
    merchant.inquire("order-1")
    for request, _ in merchant.exchanges:
        _assert_valid(grammar, request.encode())
