"""Settled money, and refunds of it, which may pass through the account of captured money."""

from tests.sandbox.merchant import Merchant
from tests.sandbox.test_unkind_bank import balances, booked, bookings_of, journal_of, notifying, purchase

__all__ = ["notifying"]
TRAITS = "SETTLED REFUND_THROUGH_CAPTURED"


def settle(merchant: Merchant, inbox) -> None:
    purchase(merchant, TRAITS)
    journal_of(inbox, "SETTLED")


def test_what_was_captured_is_settled_and_lies_on_other_accounts_then(notifying, inbox):
    purchase(notifying, "SETTLED", 1000)
    settled = bookings_of(journal_of(inbox, "SETTLED"))
    assert settled == [
        ("IN_PROCESS_CAPTURED", "1000", "debit"),
        ("SETTLED_BIBIT_NET", "980", "credit"),
        ("SETTLED_BIBIT_COMMISSION", "20", "credit"),
    ]
    reply = notifying.inquire("order-1")
    assert reply.text("lastEvent") == "SETTLED"
    assert balances(reply) == {
        "IN_PROCESS_AUTHORISED": ("50", "credit"),
        "SETTLED_BIBIT_NET": ("980", "credit"),
        "SETTLED_BIBIT_COMMISSION": ("20", "credit"),
    }
    notifying.refund("order-1", 300)
    assert bookings_of(journal_of(inbox, "REFUNDED")) == [
        ("SETTLED_BIBIT_NET", "300", "debit"),
        ("REFUND_PENDING", "300", "credit"),
    ]
    assert balances(notifying.inquire("order-1"))["SETTLED_BIBIT_NET"] == ("680", "credit")


def test_a_refund_of_settled_money_adds_to_the_captured_money(notifying, inbox):
    settle(notifying, inbox)
    notifying.refund("order-1", 300)
    passed = [("SETTLED_BIBIT_NET", "300", "debit"), ("IN_PROCESS_CAPTURED", "300", "credit")]
    assert bookings_of(journal_of(inbox, "SENT_FOR_REFUND")) == passed
    assert bookings_of(journal_of(inbox, "REFUNDED")) == passed
    reply = notifying.inquire("order-1")
    assert reply.text("lastEvent") == "REFUNDED"
    assert balances(reply) == {"IN_PROCESS_CAPTURED": ("300", "credit")}


def test_a_refund_of_settled_money_that_fails_goes_the_same_way_back(sandbox_of, inbox):
    with sandbox_of(notification_url=inbox.url, settlement_seconds=0, retry_first_seconds=0.01) as url:
        merchant = Merchant(url)
        settle(merchant, inbox)
        merchant.submit("order-2", f"{TRAITS} REFUND_REFUSED_ONLINE")
        merchant.capture("order-2", 1050)
        booked(merchant, "captured", 1050, "order-2")
        merchant.refund("order-2", 1050)
        assert bookings_of(journal_of(inbox, "REFUND_FAILED"))[0][1] == "1050"
        assert balances(merchant.inquire("order-2")) == {}


def test_a_refund_before_the_settlement_takes_from_the_captured_money(sandbox_of, inbox):
    with sandbox_of(notification_url=inbox.url, settlement_seconds=3600) as url:
        merchant = Merchant(url)
        purchase(merchant, TRAITS)
        merchant.refund("order-1", 300)
        assert bookings_of(journal_of(inbox, "REFUNDED")) == [
            ("IN_PROCESS_CAPTURED", "300", "debit"),
            ("REFUND_PENDING", "300", "credit"),
        ]
        assert balances(merchant.inquire("order-1")) == {"IN_PROCESS_CAPTURED": ("750", "credit")}
