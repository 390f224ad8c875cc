"""Amounts of events, from the accounts in their journals."""

import pytest

from checkout.errors import NotificationRejected
from checkout.money import Money
from checkout.payments.providers.base import EventKind
from checkout.payments.providers.worldpay_wpg.notifications import parse_notification
from tests.payments.providers.worldpay_messages import (
    amount,
    booking,
    credit,
    debit,
    journal,
    named,
    notification,
    payment,
)

HELD, TAKEN, PENDING = "IN_PROCESS_AUTHORISED", "IN_PROCESS_CAPTURED", "REFUND_PENDING"
NET, COMMISSION = "SETTLED_BIBIT_NET", "SETTLED_BIBIT_COMMISSION"


def told(event: str, *entries: str) -> int | None:
    """Return the minor units of an event of an order of 10.50 GBP whose journal has these entries."""
    [entry] = parse_notification(notification(payment(event) + journal(event, "".join(entries))))
    assert entry.amount is None or entry.amount.currency == "GBP"
    return entry.amount.minor if entry.amount else None


@pytest.mark.parametrize(
    ("event", "entries", "minor"),
    [
        ("AUTHORISED", [credit(HELD, 1050)], 1050),
        ("CANCELLED", [debit(HELD, 450)], 450),
        ("EXPIRED", [debit(HELD, 450)], 450),
        ("CAPTURED", [debit(HELD, 300), credit(TAKEN, 300)], 300),
        ("CAPTURED", [credit(TAKEN, 300), debit(HELD, 1050)], 300),
        ("PARTIAL_CAPTURED", [credit(TAKEN, 300)], 300),
        ("SETTLED", [debit(TAKEN, 300), credit(NET, 285), credit(COMMISSION, 15)], 300),
        ("SETTLED", [credit(COMMISSION, 15), credit(NET, 285)], 300),
        ("SETTLED_BY_MERCHANT", [debit(TAKEN, 300)], 300),
        ("SENT_FOR_REFUND", [debit(TAKEN, 300), credit(PENDING, 300)], 300),
        ("SENT_FOR_REFUND", [credit("IN_PROCESS_REFUND_PENDING", 300)], 300),
        ("SENT_FOR_FAST_REFUND", [credit("IN_PROCESS_FAST_REFUND", 300)], 300),
        ("REFUNDED", [debit(TAKEN, 300), credit(PENDING, 300)], 300),
        ("REFUNDED", [debit(TAKEN, 300)], 300),
        ("REFUNDED", [debit(NET, 300), credit(TAKEN, 300)], 300),
        ("REFUNDED", [debit(NET, 285), debit(COMMISSION, 15), credit(TAKEN, 300)], 300),
        ("REFUNDED", [debit(NET, 310), credit(COMMISSION, 10), credit(TAKEN, 300)], 300),
        ("REFUNDED", [credit(PENDING, 300)], 300),
        ("REFUNDED", [debit(PENDING, 300)], 300),
        ("REFUNDED", [debit(TAKEN, 300), credit("NEW_ACCOUNT", 300)], 300),
        ("REFUND_FAILED", [debit(PENDING, 300), credit(TAKEN, 300)], 300),
        ("REFUND_FAILED", [credit(NET, 300)], 300),
        ("CHARGED_BACK", [debit(TAKEN, 300)], 300),
        ("CHARGED_BACK", [debit(NET, 285), debit(COMMISSION, 15)], 300),
        ("CHARGED_BACK", [debit(NET, 300), credit("CHARGED_BACK", 300)], 300),
        ("CHARGEBACK_REVERSED", [credit(NET, 300), debit("CHARGED_BACK", 300)], 300),
        ("CHARGEBACK_REVERSED", [credit(TAKEN, 300)], 300),
    ],
)
def test_the_amount_is_what_the_accounts_moved(event, entries, minor):
    assert told(event, *entries) == minor


def test_entries_of_one_account_are_netted():
    assert told("CAPTURED", credit(TAKEN, 400), debit(TAKEN, 100), debit(HELD, 300)) == 300
    assert told("REFUNDED", debit(NET, 200), debit(NET, 150), credit(NET, 50), credit(PENDING, 300)) == 300


def test_an_entry_that_is_neither_credited_nor_debited_is_not_read():
    with pytest.raises(NotificationRejected):
        told("CAPTURED", booking(TAKEN, amount(300, indicator="sideways")))


def test_an_entry_without_an_indicator_is_credited():
    assert told("CAPTURED", booking(TAKEN, amount(300, indicator=None))) == 300
    assert told("REFUNDED", booking(TAKEN, amount(300, indicator=None))) is None


@pytest.mark.parametrize(
    ("event", "entries"),
    [
        ("AUTHORISED", [credit(TAKEN, 300)]),
        ("CAPTURED", [debit(HELD, 1050)]),
        ("CAPTURED", [debit(HELD, 300), credit(TAKEN, 400)]),
        ("CAPTURED", [debit(TAKEN, 300)]),
        ("CAPTURED", [credit(TAKEN, 300), debit(TAKEN, 300)]),
        ("CAPTURED", [credit("NEW_ACCOUNT", 300)]),
        ("CAPTURED", [credit(TAKEN, 400), debit(TAKEN, 100)]),
        ("CAPTURED", [debit(TAKEN, 100), credit(TAKEN, 400), debit("NEW_ACCOUNT", 100)]),
        ("SETTLED", [debit(TAKEN, 300), credit(NET, 250)]),
        ("REFUNDED", [credit(TAKEN, 300)]),
        ("REFUNDED", [debit(TAKEN, 300), credit(PENDING, 200)]),
        ("REFUNDED", [debit(TAKEN, 300), debit(NET, 200)]),
        ("REFUNDED", [debit(TAKEN, 300), credit("NEW_ACCOUNT", 200)]),
        ("REFUNDED", [debit("taken", 300)]),
        ("REFUND_FAILED", [debit(TAKEN, 300)]),
        ("CHARGED_BACK", [credit(NET, 300)]),
        ("CHARGED_BACK", [debit(NET, 315), credit("CHARGED_BACK", 300)]),
        ("CHARGEBACK_REVERSED", [debit(NET, 300)]),
        ("TELEPORTED", [debit(TAKEN, 300)]),
        ("SETTLED", [debit(TAKEN, 300), credit(NET, 285, "EUR"), credit(COMMISSION, 15, "EUR")]),
        ("REFUNDED", [debit(TAKEN, 300), credit("NEW_ACCOUNT", 300, "EUR")]),
    ],
)
def test_accounts_that_do_not_say_how_much_tell_no_amount(event, entries):
    assert told(event, *entries) is None


@pytest.mark.parametrize("event", ["CANCELLED", "CAPTURED", "REFUNDED"])
@pytest.mark.parametrize("other", ["", credit(TAKEN, 300), debit(TAKEN, 300)])
def test_an_account_whose_amount_stands_beside_it_tells_no_amount(event, other):
    entries = booking(HELD, "") + amount(1050, indicator="debit") + other
    [entry] = parse_notification(notification(payment(event) + journal(event, entries)))
    assert (entry.event, entry.amount, entry.is_known) == (event, None, True)


@pytest.mark.parametrize("event", ["AUTHORISED", "REFUSED", "CANCELLED", "EXPIRED", "ERROR", "OPEN"])
@pytest.mark.parametrize("has_journal", [True, False])
def test_without_accounts_the_payments_amount_is_that_of_events_of_the_whole_order(event, has_journal):
    content = payment(event) + (journal(event) if has_journal else "")
    [entry] = parse_notification(notification(content))
    assert entry.amount == Money(1050, "GBP")


@pytest.mark.parametrize(
    "event",
    [
        "CAPTURED",
        "SETTLED",
        "SENT_FOR_REFUND",
        "REFUNDED",
        "REFUND_FAILED",
        "CHARGED_BACK",
        "CHARGEBACK_REVERSED",
        "REFUND_REQUESTED",
        "TELEPORTED",
    ],
)
@pytest.mark.parametrize("has_journal", [True, False])
def test_without_accounts_the_payments_amount_says_nothing_of_a_part(event, has_journal):
    content = payment(event) + (journal(event) if has_journal else "")
    [entry] = parse_notification(notification(content))
    assert entry.amount is None


def test_an_amount_in_another_currency_than_the_payments_stays_visible():
    entries = debit(HELD, 1050, "EUR") + credit(TAKEN, 1050, "EUR")
    [entry] = parse_notification(notification(payment("CAPTURED") + journal("CAPTURED", entries)))
    assert entry.amount == Money(1050, "EUR")


def test_amounts_are_read_with_the_accounts_exponents():
    body = notification(
        payment("CAPTURED", money=amount(1000, "HUF", 0))
        + journal("CAPTURED", booking(TAKEN, amount(300, "HUF", 0)))
    )
    [entry] = parse_notification(body, {"HUF": 0})
    assert (entry.kind, entry.amount) == (EventKind.CAPTURED, Money(30000, "HUF"))


@pytest.mark.parametrize("entries", [[debit(HELD, 1050), credit(TAKEN, 1050)], []])
def test_the_failure_of_a_capture_is_known_and_shows_no_amount(entries):
    body = notification(
        payment("CAPTURE_FAILED") + journal("CAPTURE_FAILED", "".join(entries), named(capture="op_1"))
    )
    [statement] = parse_notification(body)
    assert (statement.kind, statement.event) == (EventKind.CAPTURE_FAILED, "CAPTURE_FAILED")
    assert (statement.is_known, statement.amount, statement.references) == (True, None, ("op_1",))


@pytest.mark.parametrize("event", ["SENT_FOR_REFUND", "REFUNDED", "REFUND_FAILED"])
def test_a_refund_of_money_that_was_settled_in_another_currency_has_no_amount(event):
    sides = (credit, debit) if event == "REFUND_FAILED" else (debit, credit)
    entries = sides[0](NET, 345, "EUR") + sides[1](PENDING, 345, "EUR")
    body = notification(payment(event) + journal(event, entries, named(refund="op_1")))
    [statement] = parse_notification(body)
    assert (statement.amount, statement.references) == (None, ("op_1",))
    [without_payment] = parse_notification(notification(journal(event, entries)))
    assert without_payment.amount == Money(345, "EUR")


def test_a_settlement_or_charge_back_has_its_amount_in_any_currency():
    [settled] = parse_notification(
        notification(payment("SETTLED") + journal("SETTLED", credit(NET, 1234, "EUR")))
    )
    assert settled.amount == Money(1234, "EUR")
