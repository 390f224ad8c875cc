"""Notifications that a knob delays, repeats, loses or forges."""

from urllib.parse import parse_qs

import pytest
from defusedxml.ElementTree import ParseError, fromstring

from tests.sandbox.merchant import Merchant, turn
from tests.support.waiting import wait_until


def arrived(inbox, *journal_types: str) -> None:
    wait_until(lambda: inbox.journal_types() == list(journal_types), f"{journal_types}")


def test_duplicates_are_the_same_to_the_byte(notifying, inbox):
    turn(notifying.url, notification={"journal": "AUTHORISED", "fault": "duplicate", "copies": 4})
    notifying.submit("order-1")
    arrived(inbox, *["AUTHORISED"] * 5)
    assert len(set(inbox.bodies)) == 1


def test_a_delayed_one_is_overtaken_by_those_of_other_orders(notifying, inbox):
    turn(notifying.url, notification={"journal": "REFUSED", "delay_ms": 400})
    notifying.submit("order-1", "REFUSED")
    notifying.submit("order-2", "ERROR")
    arrived(inbox, "ERROR", "REFUSED")


def test_an_overtaken_one_comes_after_the_next_of_its_order(notifying, inbox):
    turn(notifying.url, notification={"journal": "AUTHORISED", "fault": "overtaken"})
    notifying.submit("order-1")
    notifying.submit("order-2", "ERROR")
    arrived(inbox, "ERROR")
    notifying.capture("order-1", 1050)
    arrived(inbox, "ERROR", "CAPTURED", "AUTHORISED")


def test_an_overtaken_one_is_not_satisfied_with_those_that_were_there_before_it(notifying, inbox):
    notifying.submit("order-1")
    arrived(inbox, "AUTHORISED")
    turn(notifying.url, notification={"journal": "CAPTURED", "fault": "overtaken"})
    notifying.capture("order-1", 1050)
    wait_until(lambda: notifying.books("order-1")["captured"] == 1050, "the booking")
    notifying.refund("order-1", 1)
    arrived(inbox, "AUTHORISED", "SENT_FOR_REFUND", "CAPTURED", "REFUNDED")


def test_a_lost_one_never_comes(notifying, inbox):
    turn(notifying.url, notification={"journal": "AUTHORISED", "fault": "lost"})
    notifying.submit("order-1")
    notifying.submit("order-2", "REFUSED")
    arrived(inbox, "REFUSED")


def test_one_whose_first_try_is_lost_is_tried_again(notifying, inbox):
    turn(notifying.url, notification={"journal": "AUTHORISED", "fault": "lost_once"})
    notifying.submit("order-1")
    arrived(inbox, "AUTHORISED")
    wait_until(lambda: len(deliveries(notifying)) == 2, "the second try to be noted")
    assert deliveries(notifying) == ["lost on the way", "[OK]"]


def deliveries(merchant: Merchant) -> list[str]:
    (notification,) = merchant.statement()["notifications"]
    return [delivery["answer"] for delivery in notification["deliveries"]]


def test_a_replay_repeats_the_first_one_of_the_order(notifying, inbox):
    notifying.submit("order-1")
    arrived(inbox, "AUTHORISED")
    turn(notifying.url, notification={"journal": "CAPTURED", "fault": "replayed", "copies": 2})
    notifying.capture("order-1", 1050)
    arrived(inbox, "AUTHORISED", "CAPTURED", "AUTHORISED", "AUTHORISED")
    assert inbox.bodies[0] == inbox.bodies[2] == inbox.bodies[3]


@pytest.mark.parametrize(
    ("fault", "path", "attribute", "forged"),
    [
        ("wrong_amount", ".//accountTx/amount", "value", "601"),
        ("smaller_amount", ".//accountTx/amount", "value", "300"),
        ("wrong_currency", ".//payment/amount", "currencyCode", "USD"),
        ("wrong_merchant", ".", "merchantCode", "OTHERMERCHANT"),
        ("wrong_order", ".//orderStatusEvent", "orderCode", "1-redro"),
        ("contradictory", ".//journal", "journalType", "CANCELLED"),
        ("unknown_status", ".//journal", "journalType", "TELEPORTED"),
    ],
)
def test_a_forged_one_comes_before_the_true_one_and_differs_in_one_thing(
    notifying, inbox, fault, path, attribute, forged
):
    turn(notifying.url, notification={"journal": "CAPTURED", "fault": fault})
    notifying.submit("order-1")
    notifying.capture("order-1", 600)
    wait_until(lambda: len(inbox.bodies) == 3, "three notifications")
    false, true = [fromstring(body) for body in inbox.bodies if b"AUTHORISED</lastEvent>" not in body]
    assert false.find(path).get(attribute) == forged
    assert true.find(path).get(attribute) != forged
    assert true.find(".//journalReference").get("reference") == "c-600"


@pytest.mark.parametrize(
    ("fault", "missing"), [("no_journal", ".//journal"), ("no_reference", ".//journalReference")]
)
def test_a_part_is_missing_from_one(notifying, inbox, fault, missing):
    notifying.submit("order-1")
    arrived(inbox, "AUTHORISED")
    turn(notifying.url, notification={"fault": fault})
    notifying.capture("order-1", 600)
    wait_until(lambda: len(inbox.bodies) == 3, "three notifications")
    assert [fromstring(body).find(missing) is None for body in inbox.bodies[1:]] == [True, False]


def test_an_event_may_come_in_a_report_and_only_there(notifying, inbox):
    turn(notifying.url, notification={"journal": "CAPTURED", "fault": "in_report"})
    notifying.submit("order-1")
    notifying.capture("order-1", 600)
    wait_until(lambda: any(b"CAPTURED</lastEvent>" in body for body in inbox.bodies), "the report")
    [booked] = [fromstring(body) for body in inbox.bodies if b"CAPTURED</lastEvent>" in body]
    assert booked.find("notify/report/orderStatusEvent").get("orderCode") == "order-1"
    assert booked.find("notify/orderStatusEvent") is None


@pytest.mark.parametrize("fault", ["malformed", "form_encoded", "oversized"])
def test_a_notification_that_cannot_be_read_holds_up_its_line_until_it_is_accepted(notifying, inbox, fault):
    inbox.answers += [(400, b""), (413, b"")]
    turn(notifying.url, notification={"fault": fault})
    notifying.submit("order-1")
    wait_until(lambda: len(inbox.bodies) == 4, "the true notification")
    assert len(set(inbox.bodies[:3])) == 1
    assert fromstring(inbox.bodies[3]).findtext(".//lastEvent") == "AUTHORISED"


def test_a_malformed_one_is_no_xml(notifying, inbox):
    turn(notifying.url, notification={"fault": "malformed"})
    notifying.submit("order-1")
    wait_until(lambda: len(inbox.bodies) == 2, "two notifications")
    with pytest.raises(ParseError):
        fromstring(inbox.bodies[0])


def test_a_notification_of_an_older_product_is_a_form(notifying, inbox):
    turn(notifying.url, notification={"fault": "form_encoded"})
    notifying.submit("order-1")
    wait_until(lambda: len(inbox.bodies) == 2, "two notifications")
    assert parse_qs(inbox.bodies[0].decode())["OrderCode"] == ["order-1"]
    assert inbox.content_types[0] == "application/x-www-form-urlencoded"
    assert inbox.content_types[1].startswith("text/xml")


def test_an_oversized_one_says_what_is_true_in_more_than_64_kilobytes(notifying, inbox):
    turn(notifying.url, notification={"fault": "oversized"})
    notifying.submit("order-1")
    wait_until(lambda: len(inbox.bodies) == 2, "two notifications")
    assert len(inbox.bodies[0]) > 65_536
    assert fromstring(inbox.bodies[0]).findtext(".//lastEvent") == "AUTHORISED"


def test_a_knob_may_be_for_several_journal_types(notifying, inbox):
    journals = ["CAPTURED", "REFUNDED"]
    turn(notifying.url, notification={"journal": journals, "fault": "lost", "times": None})
    notifying.submit("order-1")
    notifying.capture("order-1", 1050)
    wait_until(lambda: notifying.books("order-1")["captured"] == 1050, "the booking")
    notifying.cancel("order-1")
    notifying.submit("order-2", "REFUSED")
    arrived(inbox, "AUTHORISED", "REFUSED")


def test_a_notification_fault_stands_with_its_order(notifying):
    turn(notifying.url, notification={"fault": "lost"})
    notifying.submit("order-1")
    (incident,) = notifying.statement(order="order-1")["incidents"]
    assert (incident["order_code"], incident["occasion"], incident["fault"]) == (
        "order-1",
        "AUTHORISED",
        "lost",
    )
