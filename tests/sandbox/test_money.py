"""Captures, refunds and cancellations, and the resulting books."""

import sqlite3

import pytest
from defusedxml.ElementTree import fromstring

from checkout.money import CURRENCIES, exponent
from sandbox.wpg.incoming import read_amount
from tests.sandbox.merchant import Merchant, machine_cookie, money, turn
from tests.support.waiting import wait_until


def test_a_capture_is_received_first_and_booked_later(merchant):
    merchant.submit("order-1")
    reply = merchant.capture("order-1", 1050)
    assert reply.attribute("captureReceived", "orderCode") == "order-1"
    assert reply.attribute("amount", "value") == "1050"
    wait_until(lambda: merchant.books("order-1")["captured"] == 1050, "the capture to be booked")
    assert merchant.inquire("order-1").text("lastEvent") == "CAPTURED"


def test_an_order_without_a_delay_is_captured_once_it_is_authorised(merchant):
    assert merchant.submit("order-1", capture_delay="0").text("lastEvent") == "AUTHORISED"
    assert merchant.capture("order-1", 1).error[0] == "5", "nothing is left to be captured"
    wait_until(lambda: merchant.books("order-1")["captured"] == 1050, "the capture to be booked")
    assert merchant.inquire("order-1").text("lastEvent") == "CAPTURED"


def test_a_sale_is_captured_once_it_is_authorised(merchant):
    assert merchant.submit("order-1", action="SALE").text("lastEvent") == "AUTHORISED"
    wait_until(lambda: merchant.books("order-1")["captured"] == 1050, "the capture to be booked")


def test_a_refund_without_a_payment_pays_the_cardholder_and_holds_nothing(notifying, inbox):
    reply = notifying.submit("order-1", action="REFUND")
    assert reply.attribute("refundReceived", "orderCode") == "order-1"
    wait_until(lambda: notifying.books("order-1")["refunded"] == 1050, "the refund to be booked")
    books = notifying.books("order-1")
    assert (books["authorised"], books["captured"]) == (0, 0)
    assert notifying.inquire("order-1").text("lastEvent") == "REFUNDED"
    wait_until(lambda: len(inbox.bodies) == 2, "both notifications")


def test_a_refund_to_a_card_that_is_refused_pays_nothing(merchant):
    assert merchant.submit("order-1", "REFUSED", action="REFUND").text("lastEvent") == "REFUSED"
    assert merchant.books("order-1")["refund_requested"] == 0


def test_any_other_action_is_refused(merchant):
    assert merchant.submit("order-1", action="ACCOUNTVERIFICATION").error[0] == "5"


@pytest.mark.parametrize("code", ["order|1", "order 1", "order&quot;1", "order&lt;1", "order'1"])
def test_an_order_code_with_a_character_that_the_bank_does_not_take_is_refused(merchant, code):
    assert merchant.submit(code).error[0] == "5"


@pytest.mark.parametrize("delay", ["OFF", "DEFAULT", "off"])
def test_an_order_with_another_delay_is_captured_only_on_request(merchant, delay):
    merchant.submit("order-1", capture_delay=delay)
    assert merchant.books("order-1")["capture_requested"] == 0


def test_a_refused_order_is_not_captured(merchant):
    merchant.submit("order-1", "REFUSED", capture_delay="0")
    assert merchant.books("order-1")["capture_requested"] == 0


@pytest.mark.parametrize("delay", ["3", "-1", "soon", ""])
def test_a_delay_that_this_bank_does_not_know_is_refused(merchant, delay):
    assert merchant.submit("order-1", capture_delay=delay).error[0] == "2"


def test_until_the_booking_only_the_authorisation_is_there(sandbox_of):
    with sandbox_of(settle_seconds=3600) as url:
        merchant = Merchant(url)
        merchant.submit("order-1")
        merchant.capture("order-1", 1050)
        assert merchant.inquire("order-1").text("lastEvent") == "AUTHORISED"
        assert merchant.refund("order-1", 1).error[0] == "5"


def test_partial_captures_may_not_exceed_the_authorisation(merchant):
    merchant.submit("order-1")
    assert merchant.capture("order-1", 1000).root.find(".//captureReceived") is not None
    assert merchant.capture("order-1", 51).error[0] == "5"
    assert merchant.capture("order-1", 50).root.find(".//captureReceived") is not None
    assert merchant.capture("order-1", 1).error[0] == "5"
    assert merchant.books("order-1")["capture_requested"] == 1050


def test_partial_refunds_may_not_exceed_what_was_captured(merchant):
    merchant.submit("order-1")
    merchant.capture("order-1", 700)
    wait_until(lambda: merchant.books("order-1")["captured"] == 700, "the capture to be booked")
    assert merchant.refund("order-1", 701).error[0] == "5"
    reply = merchant.refund("order-1", 300)
    assert reply.attribute("refundReceived", "orderCode") == "order-1"
    assert merchant.refund("order-1", 401).error[0] == "5"
    assert merchant.refund("order-1", 400).root.find(".//refundReceived") is not None
    wait_until(lambda: merchant.books("order-1")["refunded"] == 700, "the refunds to be booked")
    assert merchant.inquire("order-1").text("lastEvent") == "REFUNDED"


def test_what_has_been_asked_for_counts_before_it_is_booked(sandbox_of):
    with sandbox_of(settle_seconds=0.5) as url:
        merchant = Merchant(url)
        merchant.submit("order-1")
        merchant.capture("order-1", 1000)
        assert merchant.capture("order-1", 51).error[0] == "5"
        wait_until(lambda: merchant.books("order-1")["captured"] == 1000, "the capture to be booked")
        merchant.refund("order-1", 900)
        assert merchant.refund("order-1", 101).error[0] == "5"


def test_a_refund_may_fail_after_it_was_received(sandbox_of, inbox):
    with sandbox_of(notification_url=inbox.url) as url:
        merchant = Merchant(url)
        _purchase(merchant, "order-1")
        turn(url, booking={"fault": "refund_failed"})
        merchant.refund("order-1", 600)
        wait_until(lambda: "REFUND_FAILED" in inbox.journal_types(), "the failure")
        assert merchant.books("order-1")["refunded"] == 0
        assert merchant.inquire("order-1").text("lastEvent") == "REFUND_FAILED"
        merchant.refund("order-1", 600, headers={"Idempotency-Key": "again"})
        wait_until(lambda: merchant.books("order-1")["refunded"] == 600, "the second refund")
        assert turn(url)["incidents"] == {"booking": {"refund_failed": 1}}


def test_a_capture_may_fail_after_it_was_received(sandbox_of, inbox):
    with sandbox_of(notification_url=inbox.url) as url:
        merchant = Merchant(url)
        merchant.submit("order-1")
        turn(url, booking={"fault": "capture_failed"})
        merchant.capture("order-1", 600)
        wait_until(lambda: "CAPTURE_FAILED" in inbox.journal_types(), "the failure")
        assert merchant.books("order-1")["captured"] == 0
        assert merchant.inquire("order-1").text("lastEvent") == "CAPTURE_FAILED"
        journal = fromstring(inbox.bodies[-1]).find(".//journal")
        assert [line.get("accountType") for line in journal.iterfind("accountTx")] == [
            "IN_PROCESS_AUTHORISED",
            "IN_PROCESS_CAPTURED",
        ], "like that of a capture"
        merchant.capture("order-1", 1050, headers={"Idempotency-Key": "again"})
        wait_until(lambda: merchant.books("order-1")["captured"] == 1050, "the second capture")
        assert turn(url)["incidents"] == {"booking": {"capture_failed": 1}}


def test_a_restart_books_nothing_twice(sandbox_of):
    with sandbox_of() as url:
        _purchase(Merchant(url), "order-1")
    with sandbox_of() as url:
        # Requests are booked in order, so a second booking of the first order would be visible after this.
        _purchase(Merchant(url), "order-2")
        assert Merchant(url).books("order-1")["captured"] == 600


def _purchase(merchant: Merchant, order_code: str) -> None:
    merchant.submit(order_code, amount=2000)
    merchant.capture(order_code, 600)
    wait_until(lambda: merchant.books(order_code)["captured"] == 600, "the capture to be booked")


def test_a_cancellation_ends_the_authorisation(merchant):
    merchant.submit("order-1")
    assert merchant.cancel("order-1").root.find(".//cancelReceived") is not None
    assert merchant.inquire("order-1").text("lastEvent") == "CANCELLED"
    assert merchant.cancel("order-1").error[0] == "5"
    assert merchant.capture("order-1", 1).error[0] == "5"


def test_a_captured_order_cannot_be_cancelled(merchant):
    merchant.submit("order-1")
    merchant.capture("order-1", 1)
    assert merchant.cancel("order-1").error[0] == "5"


def test_a_refused_order_cannot_be_captured_or_cancelled(merchant):
    merchant.submit("order-1", "REFUSED")
    assert merchant.capture("order-1", 1).error[0] == "5"
    assert merchant.cancel("order-1").error[0] == "5"


@pytest.mark.parametrize(
    ("currency", "decimals"),
    [
        ("BIF", 0), ("CLP", 0), ("DJF", 0), ("ISK", 0), ("UGX", 0), ("VUV", 0), ("MGA", 2), ("HUF", 0),
        ("HUF", 2), ("KWD", 3), ("JPY", 0), ("ISK", 2), ("MGA", 0), ("GBP", 2),
    ],
)  # fmt: skip
def test_amounts_have_the_decimals_of_their_currency(merchant, currency, decimals):
    reply = merchant.submit("order-1", currency=currency, exponent=decimals)
    assert reply.text("lastEvent") == "AUTHORISED"
    other = {"KWD": 2, "JPY": 2, "GBP": 0}.get(currency, 3)
    assert merchant.submit("order-2", currency=currency, exponent=other).error[0] == "3"


def test_an_order_has_the_decimals_with_which_it_was_sent(merchant):
    """The account's option ``exponents`` is ISK=2."""
    reply = merchant.submit("order-1", amount=50_000, currency="ISK", exponent=2)
    assert reply.text("lastEvent") == "AUTHORISED"
    captured = money(20_000, "ISK")
    assert merchant.modify("order-1", f"<capture>{captured}</capture>").error == (None, None)
    assert merchant.books("order-1")["exponent"] == 2


def test_the_sandbox_takes_every_currency_that_the_gateway_sends():
    for currency in CURRENCIES:
        amount = money(1050, currency).replace('exponent="2"', f'exponent="{exponent(currency)}"')
        assert read_amount(fromstring(f"<order>{amount}</order>")).currency == currency


def test_a_capture_with_other_decimals_than_the_order_is_refused(merchant):
    merchant.submit("order-1", amount=1000, currency="HUF", exponent=2)
    wrong = money(10, "HUF").replace('exponent="2"', 'exponent="0"')
    assert merchant.modify("order-1", f"<capture>{wrong}</capture>").error[0] == "5"
    assert merchant.books("order-1")["capture_requested"] == 0
    assert merchant.modify("order-1", f"<capture>{money(1000, 'HUF')}</capture>").error == (None, None)
    assert merchant.modify("order-1", f"<refund>{wrong}</refund>").error[0] == "5"


def test_another_currency_is_refused(merchant):
    merchant.submit("order-1")
    reply = merchant.modify("order-1", f"<capture>{money(1050, 'EUR')}</capture>")
    assert reply.error[0] == "5"


def test_the_books_show_every_step_of_an_order(merchant, shopper):
    first = merchant.submit("order-1", "3DS_V2_CHALLENGE_IDENTIFIED")
    shopper.choose(first, "approve")
    merchant.complete("order-1", machine_cookie(first))
    merchant.capture("order-1", 1050)
    wait_until(lambda: merchant.books("order-1")["captured"] == 1050, "the capture to be booked")
    books = merchant.books("order-1")
    assert [event["kind"] for event in books["events"]] == [
        "submitted",
        "challenged",
        "challenge_opened",
        "challenge_decided",
        "authorised",
        "capture_requested",
        "captured",
    ]
    assert books["state"] == "captured"
    assert books["events"][-1]["reference"] == "c-1050"
    assert sorted(event["at"] for event in books["events"]) == [event["at"] for event in books["events"]]


def test_the_files_hold_no_card_number_or_sealed_card(merchant, tmp_path):
    sealed = merchant.seal("Ann Holder", "4444333322221111")
    card = f"<CSE-DATA><encryptedData>{sealed}</encryptedData></CSE-DATA>"
    merchant.submit("order-1", instrument=card, headers={"Idempotency-Key": "k1"})
    merchant.submit("order-2", instrument=PLAIN_CARD)
    stored = b"".join(file.read_bytes() for file in tmp_path.glob("books.sqlite3*"))
    assert b"4444********1111" in stored
    for secret in ("4444333322221111", sealed, sealed.split(".")[3]):
        assert secret.encode() not in stored


def test_what_a_stop_left_over_is_booked_after_the_next_start(sandbox_of):
    with sandbox_of(settle_seconds=3600) as url:
        Merchant(url).submit("order-1")
        Merchant(url).capture("order-1", 1050)
    with sandbox_of() as url:
        wait_until(lambda: Merchant(url).books("order-1")["captured"] == 1050, "the capture to be booked")


def test_a_restart_opens_cards_sealed_before_it(sandbox_of):
    with sandbox_of() as url:
        sealed = Merchant(url).seal("REFUSED51", "4444333322221111")
    with sandbox_of() as url:
        card = f"<CSE-DATA><encryptedData>{sealed}</encryptedData></CSE-DATA>"
        reply = Merchant(url).submit("order-1", instrument=card)
    assert reply.attribute("ISO8583ReturnCode", "code") == "51"


@pytest.mark.parametrize("statement", ["UPDATE entry SET amount = 1", "DELETE FROM entry"])
def test_the_books_can_only_be_appended_to(merchant, tmp_path, statement):
    merchant.submit("order-1")
    connection = sqlite3.connect(tmp_path / "books.sqlite3")
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        connection.execute(statement)
    connection.close()


PLAIN_CARD = (
    "<CARD-SSL><cardNumber>4444333322221111</cardNumber>"
    '<expiryDate><date month="01" year="2039"/></expiryDate>'
    "<cardHolderName>Ann Holder</cardHolderName><cvc>123</cvc></CARD-SSL>"
)
