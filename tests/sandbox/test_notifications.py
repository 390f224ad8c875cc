"""Order notifications: their content, and their repetition until `[OK]` is answered."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests
from defusedxml.ElementTree import fromstring

from tests.sandbox.inbox import OK
from tests.sandbox.merchant import Merchant, turn
from tests.support.waiting import wait_until


def test_a_purchase_is_announced_and_then_its_booking(notifying, inbox):
    notifying.submit("order-1")
    wait_until(lambda: inbox.journal_types() == ["AUTHORISED"], "the authorisation")
    notifying.capture("order-1", 1050)
    wait_until(lambda: inbox.journal_types() == ["AUTHORISED", "CAPTURED"], "the capture")
    notifying.refund("order-1", 50)
    wait_until(lambda: inbox.journal_types()[2:] == ["SENT_FOR_REFUND", "REFUNDED"], "the refund")


@pytest.mark.parametrize("holder", ["REFUSED", "ERROR", "CANCELLED"])
def test_other_ends_are_announced_too(notifying, inbox, holder):
    notifying.submit("order-1", holder)
    wait_until(lambda: inbox.journal_types() == [holder], "the notification")


def test_a_booking_is_a_double_entry_with_the_merchants_reference(notifying, inbox):
    notifying.submit("order-1")
    notifying.capture("order-1", 600)
    wait_until(lambda: "CAPTURED" in inbox.journal_types(), "the capture")
    event = fromstring(inbox.bodies[inbox.journal_types().index("CAPTURED")]).find(".//orderStatusEvent")
    accounts = {
        entry.get("accountType"): (amount.get("value"), amount.get("debitCreditIndicator"))
        for entry in event.iterfind("journal/accountTx")
        for amount in entry.iterfind("amount")
    }
    assert event.get("orderCode") == "order-1"
    assert accounts == {"IN_PROCESS_AUTHORISED": ("600", "debit"), "IN_PROCESS_CAPTURED": ("600", "credit")}
    assert event.find("journal/journalReference").attrib == {"type": "capture", "reference": "c-600"}


@pytest.mark.parametrize(
    "answer",
    [(500, b"[OK]"), (200, b"OK"), (200, b"[OK]\n"), (200, b"<html>[OK]</html>"), (200, b""), (302, b"[OK]")],
)
def test_anything_but_the_exact_acknowledgement_is_tried_again(notifying, inbox, answer):
    inbox.answers += [answer, answer]
    notifying.submit("order-1")
    wait_until(lambda: len(inbox.bodies) == 3, "the third try")
    assert len(set(inbox.bodies)) == 1
    wait_until(lambda: _answers(notifying)[-1] == "[OK]", "the acceptance")
    assert len(_answers(notifying)) == 3


def test_a_notification_that_is_not_accepted_holds_back_the_later_ones_of_its_line(notifying, inbox):
    inbox.answers += [(500, b"")] * 5
    notifying.submit("order-1", "REFUSED")
    notifying.submit("order-2", "ERROR")
    wait_until(lambda: len(inbox.bodies) == 7, "both to be accepted")
    assert inbox.journal_types() == ["REFUSED"] * 6 + ["ERROR"]


def test_a_booking_that_is_not_accepted_does_not_hold_back_authorisations(notifying, inbox):
    inbox.unwanted = {"CAPTURED"}
    notifying.submit("order-1")
    notifying.capture("order-1", 1050)
    wait_until(lambda: "CAPTURED" in inbox.journal_types(), "the first try of the capture")
    notifying.submit("order-2")
    wait_until(lambda: inbox.journal_types().count("AUTHORISED") == 2, "the second authorisation")


def test_what_was_not_accepted_before_a_stop_is_sent_after_the_next_start(sandbox_of, inbox):
    with sandbox_of(notification_url="http://127.0.0.1:9/", retry_first_seconds=60) as url:
        merchant = Merchant(url)
        merchant.submit("order-1")
        wait_until(lambda: _answers(merchant) == ["ConnectionError"], "the first try")
    with sandbox_of(notification_url=inbox.url):
        wait_until(lambda: inbox.journal_types() == ["AUTHORISED"], "the notification")


def test_a_notification_that_is_too_old_is_given_up(sandbox_of, inbox):
    inbox.answers += [(500, b""), OK]
    with sandbox_of(notification_url=inbox.url, notification_lifetime_seconds=0) as url:
        merchant = Merchant(url)
        merchant.submit("order-1", "REFUSED")
        merchant.submit("order-2", "ERROR")
        wait_until(lambda: inbox.journal_types() == ["REFUSED", "ERROR"], "the second notification")


def test_a_faster_clock_shortens_the_wait_before_the_next_try(sandbox_of, inbox):
    inbox.answers += [(500, b"")]
    with sandbox_of(notification_url=inbox.url, retry_first_seconds=900, retry_longest_seconds=900) as url:
        merchant = Merchant(url)
        merchant.submit("order-1")
        wait_until(lambda: _answers(merchant), "the first try")
        turn(url, clock_scale=1e6)
        wait_until(lambda: len(inbox.bodies) == 2, "the second try")


def test_an_answer_without_an_end_is_a_refusal(sandbox_of):
    with _endless() as address, sandbox_of(notification_url=address, retry_first_seconds=900) as url:
        merchant = Merchant(url)
        merchant.submit("order-1")
        wait_until(lambda: _answers(merchant), "the end of the try")
        assert _answers(merchant)[0].startswith("200, ")


@contextmanager
def _endless() -> Iterator[str]:
    """Yield the address of a server whose answer never ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(200)
            self.end_headers()
            with suppress(OSError):
                while True:
                    self.wfile.write(b"[OK]")

        def log_message(self, format: str, *args: object) -> None:
            del format, args

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/"
        finally:
            server.shutdown()
            thread.join()


def test_bookings_go_on_after_another_program_had_locked_the_books(sandbox_of, tmp_path, caplog):
    file = tmp_path / "books.sqlite3"
    with sandbox_of(books=file, settle_seconds=1e6) as url, closing(sqlite3.connect(file)) as other:
        merchant = Merchant(url)
        merchant.submit("order-1")
        merchant.capture("order-1", 1050)
        other.execute("BEGIN IMMEDIATE")
        turn(url, clock_scale=1e9)
        wait_until(lambda: "starts again" in caplog.text, "the booking to fail")
        other.rollback()
        wait_until(lambda: merchant.books("order-1")["captured"] == 1050, "the booking")


def _answers(merchant: Merchant) -> list[str]:
    notifications = requests.get(f"{merchant.url}/books.json", timeout=20).json()["notifications"]
    return [delivery["answer"] for delivery in notifications[0]["deliveries"]]
