"""Replies that a knob delays, breaks or spoils. Requests that were carried out are in the books."""

import socket
from random import Random

import pytest
import requests

from sandbox.faults.fault_settings import ReplyKnob
from tests.sandbox.merchant import HEADER, Merchant, Shopper, machine_cookie, turn
from tests.support.waiting import wait_until

ADDRESS = "/worldpay/jsp/merchant/xml/paymentService.jsp"


def capture(merchant: Merchant, *, timeout: float = 20, stream: bool = False) -> requests.Response:
    """Send a capture of order-1, and return the answer, if there is one."""
    body = (
        f'{HEADER}<paymentService version="1.4" merchantCode="SANDBOXMERCHANT"><modify>'
        '<orderModification orderCode="order-1"><capture reference="c">'
        '<amount value="1050" currencyCode="GBP" exponent="2"/>'
        "</capture></orderModification></modify></paymentService>"
    )
    return requests.post(
        f"{merchant.url}{ADDRESS}",
        data=body,
        headers={"Content-Type": "text/xml"},
        auth=("SANDBOXMERCHANT", "sandbox-password"),
        timeout=timeout,
        stream=stream,
    )


def capture_requested(merchant: Merchant) -> int:
    return merchant.books("order-1")["capture_requested"]


@pytest.mark.parametrize(("fault", "booked"), [("reset_before", 0), ("reset_after", 1050)])
def test_a_connection_is_reset_before_or_after_the_effect(merchant, fault, booked):
    merchant.submit("order-1")
    turn(merchant.url, knob={"verb": "capture", "fault": fault})
    with pytest.raises(requests.ConnectionError, match="reset by peer"):
        capture(merchant)
    assert capture_requested(merchant) == booked


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("order_not_found", ("5", "Could not find payment for order")),
        ("security_violation", ("4", "Security violation")),
    ],
)
def test_a_modification_is_denied_until_the_bank_mends_it(merchant, fault, error):
    merchant.submit("order-1")
    turn(merchant.url, knob={"verb": "capture", "fault": fault, "times": None})
    for _ in range(2):
        assert merchant.capture("order-1", 1050).error == error
    assert capture_requested(merchant) == 0
    turn(merchant.url, reset=True)
    merchant.capture("order-1", 1050)
    assert capture_requested(merchant) == 1050


@pytest.mark.parametrize(("fault", "booked"), [("hang_before", 0), ("hang_after", 1050)])
def test_a_reply_never_comes(merchant, fault, booked):
    merchant.submit("order-1")
    turn(merchant.url, knob={"verb": "capture", "fault": fault})
    with pytest.raises(requests.ReadTimeout):
        capture(merchant, timeout=0.5)
    assert capture_requested(merchant) == booked


@pytest.mark.parametrize(
    ("fault", "status", "booked"),
    [
        ("500_before", 500, 0),
        ("500_after", 500, 1050),
        ("503_before", 503, 0),
        ("503_after", 503, 1050),
        ("html", 200, 1050),
    ],
)
def test_a_page_comes_instead_of_xml(merchant, fault, status, booked):
    merchant.submit("order-1")
    turn(merchant.url, knob={"verb": "capture", "fault": fault})
    reply = capture(merchant)
    assert (reply.status_code, reply.headers["content-type"]) == (status, "text/html; charset=utf-8")
    assert capture_requested(merchant) == booked


def test_a_reply_is_cut_short_of_the_length_it_promised(merchant):
    merchant.submit("order-1")
    turn(merchant.url, knob={"verb": "capture", "fault": "cut"})
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
        capture(merchant)
    assert capture_requested(merchant) == 1050


def test_a_reply_drips_byte_by_byte(merchant):
    merchant.submit("order-1")
    turn(merchant.url, knob={"verb": "capture", "fault": "drip", "drip_ms": 1})
    reply = capture(merchant, stream=True)
    pieces = list(iter(reply.raw.read1, b""))
    assert b"".join(pieces).endswith(b"</paymentService>")
    assert len(pieces) > 10


@pytest.mark.parametrize(
    ("fault", "proof"),
    [
        ("truncated", lambda body: b"<captureReceived" in body and b"</paymentService>" not in body),
        ("empty", lambda body: body == b""),
        ("raw_ampersand", lambda body: b" & " in body),
        ("wrong_encoding", lambda body: b"caf\xe9" in body),
    ],
)
def test_the_xml_of_a_reply_is_spoilt(merchant, fault, proof):
    merchant.submit("order-1")
    turn(merchant.url, knob={"verb": "capture", "fault": fault})
    reply = capture(merchant)
    assert reply.headers["content-type"].startswith("text/xml")
    assert proof(reply.content)
    assert capture_requested(merchant) == 1050


@pytest.mark.parametrize(
    ("fault", "event"), [("last_event_null", "null"), ("last_event_unknown", "TELEPORTED")]
)
def test_an_inquiry_is_answered_with_a_status_that_says_nothing(merchant, fault, event):
    merchant.submit("order-1")
    turn(merchant.url, knob={"verb": "inquiry", "fault": fault})
    assert merchant.inquire("order-1").text("lastEvent") == event
    assert merchant.inquire("order-1").text("lastEvent") == "AUTHORISED"


@pytest.mark.parametrize(
    ("knob", "account"), [({}, "IN_PROCESS_SENT_FOR_AUTH"), ({"account": "CAPTURE_FAILED"}, "CAPTURE_FAILED")]
)
def test_an_inquiry_may_name_an_account_that_is_in_no_books(merchant, knob, account):
    merchant.submit("order-1")
    turn(merchant.url, knob={"verb": "inquiry", "fault": "stray_balance", **knob})
    balances = merchant.inquire("order-1").root.iterfind(".//balance")
    assert {each.get("accountType"): each.find("amount").get("value") for each in balances} == {
        "IN_PROCESS_AUTHORISED": "1050",
        account: "1050",
    }
    assert merchant.books("order-1")["captured"] == 0


def test_a_notification_arrives_before_the_reply(sandbox_of, inbox):
    with sandbox_of(notification_url=inbox.url) as url:
        merchant = Merchant(url)
        turn(url, knob={"verb": "submit", "fault": "after_notification"})
        assert merchant.submit("order-1").text("lastEvent") == "AUTHORISED"
        assert inbox.journal_types() == ["AUTHORISED"]


def test_a_fault_leaves_the_cookie_and_the_rest_of_a_challenge_usable(merchant, shopper):
    turn(merchant.url, knob={"verb": "submit", "fault": "last_event_null"})
    first = merchant.submit("order-1", number="4000000000002503")
    shopper.choose(first, "approve")
    cookie = machine_cookie(first)
    assert merchant.complete("order-1", cookie).text("lastEvent") == "AUTHORISED"


def test_a_knob_for_any_verb_strikes_every_message(merchant):
    turn(merchant.url, knob={"verb": "any", "fault": "500_before", "times": 2})
    assert [capture(merchant).status_code for _ in range(3)] == [500, 500, 200]


def test_the_draws_of_a_seed_are_the_same_every_time(merchant):
    def fates() -> list[int]:
        knob = {"verb": "capture", "fault": "503_before", "probability": 0.5, "seed": 3, "times": None}
        turn(merchant.url, reset=True, knob=knob)
        return [capture(merchant).status_code for _ in range(12)]

    first = fates()
    assert set(first) == {200, 503}
    assert fates() == first


def test_several_knobs_make_a_mixture(merchant):
    knobs = [
        {"verb": "capture", "fault": fault, "probability": 0.4, "seed": seed, "times": None}
        for seed, fault in enumerate(("500_before", "503_before"))
    ]
    turn(merchant.url, knob=knobs)
    assert {capture(merchant).status_code for _ in range(30)} == {200, 500, 503}


def test_a_spread_delay_differs_from_one_reply_to_the_next_and_has_an_end():
    knob = ReplyKnob(verb="submit", delay_ms=1_500, spread=3)
    random = Random(1)  # noqa: S311 - repeatable
    delays = [knob.delay_seconds(random) for _ in range(2_000)]
    assert 1 < sorted(delays)[1_000] < 2
    assert max(delays) == 600


def test_incidents_are_counted_and_stand_with_their_order(merchant):
    turn(merchant.url, knob={"verb": "submit", "fault": "500_before"})
    merchant.post_raw(b"<unreadable/>")
    with pytest.raises(AssertionError):
        merchant.submit("order-1")
    merchant.submit("order-1")
    books = merchant.statement(order="order-1")
    assert [(found["occasion"], found["fault"]) for found in books["incidents"]] == [("submit", "500_before")]
    assert turn(merchant.url)["incidents"] == {"submit": {"500_before": 1}}


def test_a_sandbox_ends_although_a_reply_hangs(sandbox_of):
    with sandbox_of() as url:
        turn(url, knob={"verb": "any", "fault": "hang_before"})
        client = socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])))
        inquiry = b"<inquiry><orderInquiry orderCode='order-1'/></inquiry>"
        body = b"<paymentService version='1.4'>" + inquiry + b"</paymentService>"
        client.sendall(
            b"POST " + ADDRESS.encode() + b" HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\n"
            b"Authorization: Basic U0FOREJPWE1FUkNIQU5UOnNhbmRib3gtcGFzc3dvcmQ=\r\n"
            b"Content-Length: " + str(len(body)).encode() + b"\r\n\r\n" + body
        )
        wait_until(lambda: turn(url)["incidents"], "the request to hang")
    client.close()


def test_a_faster_clock_ends_a_challenge_and_books_at_once(sandbox_of):
    with sandbox_of(settle_seconds=3_600) as url:
        merchant, shopper = Merchant(url), Shopper(url)
        merchant.submit("order-1")
        capture(merchant)
        first = merchant.submit("order-2", number="4000000000002503")
        turn(url, clock_scale=1e6)
        wait_until(lambda: merchant.books("order-1")["captured"] == 1050, "the booking")
        shopper.start_challenge(first)
        cookie = machine_cookie(first)
        assert merchant.complete("order-2", cookie).text("transactionStatusReason") == "14"
