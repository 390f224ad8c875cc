"""What Worldpay's order notifications mean."""

import pytest

from checkout.errors import NotificationRejected
from checkout.money import Money
from checkout.providers.base import EventKind
from checkout.providers.worldpay_wpg.notifications import ACKNOWLEDGEMENT, parse_notification
from tests.providers.worldpay_messages import (
    MERCHANT,
    amount,
    booking,
    journal,
    notification,
    payment,
    service,
)


def test_a_notification_names_merchant_order_event_and_amount():
    [entry] = parse_notification(notification(payment("AUTHORISED") + journal("AUTHORISED")))
    assert (entry.merchant_code, entry.order_code) == (MERCHANT, "order-1")
    assert (entry.kind, entry.event) == (EventKind.AUTHORISED, "AUTHORISED")
    assert entry.amount == Money(1050, "GBP")
    assert entry.event_id


def test_the_journal_is_read_before_the_last_event():
    [entry] = parse_notification(notification(payment("WAITING_FOR_SHOPPER") + journal("AUTHORISED")))
    assert (entry.kind, entry.event) == (EventKind.AUTHORISED, "AUTHORISED")


def test_without_a_journal_the_last_event_is_read():
    [entry] = parse_notification(notification(payment("REFUSED")))
    assert (entry.kind, entry.event) == (EventKind.REFUSED, "REFUSED")


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ("CAPTURED", EventKind.CAPTURED),
        ("SETTLED_BY_MERCHANT", EventKind.SETTLED),
        ("REFUNDED_BY_MERCHANT", EventKind.REFUNDED),
        ("REFUND_FAILED", EventKind.REFUND_FAILED),
        ("CANCELLED", EventKind.CANCELLED),
        ("EXPIRED", EventKind.EXPIRED),
        ("CHARGED_BACK", EventKind.CHARGED_BACK),
        ("CHARGEBACK_REVERSED", EventKind.CHARGE_BACK_REVERSED),
        ("ERROR", EventKind.ERROR),
        ("SENT_FOR_REFUND", EventKind.OTHER),
        ("TELEPORTED", EventKind.OTHER),
    ],
)
def test_events_have_their_meaning_and_unknown_ones_are_kept(event, kind):
    [entry] = parse_notification(notification(payment(event) + journal(event)))
    assert (entry.kind, entry.event) == (kind, event)


def test_a_partial_refund_has_the_amount_that_was_booked_and_our_reference():
    entries = booking("SETTLED_BIBIT_NET", amount(900)) + booking("IN_PROCESS_CAPTURED", amount(900))
    references = '<journalReference type="refund" reference="op_1"/>'
    body = notification(payment("REFUNDED") + journal("REFUNDED", entries, references))
    [entry] = parse_notification(body)
    assert entry.amount == Money(900, "GBP")
    assert entry.reference == "op_1"


def test_each_of_several_journals_is_a_statement_of_its_own():
    body = notification(payment("CAPTURED") + journal("AUTHORISED") + journal("CAPTURED"))
    first, second = parse_notification(body)
    assert (first.kind, second.kind) == (EventKind.AUTHORISED, EventKind.CAPTURED)
    assert first.event_id != second.event_id


def test_a_repeated_notification_has_the_same_id_whatever_its_layout():
    body = notification(payment("CAPTURED") + journal("CAPTURED"))
    again = body.replace(b"><", b">\n  <").replace(b'sent="n"', b'sent="y"')
    assert again != body
    assert parse_notification(body)[0].event_id == parse_notification(again)[0].event_id


@pytest.mark.parametrize(
    "other",
    [
        notification(payment("CAPTURED", money=amount(1)) + journal("CAPTURED")),
        notification(payment("CAPTURED") + journal("REFUNDED")),
        notification(payment("CAPTURED") + journal("CAPTURED"), order_code="order-2"),
        notification(payment("CAPTURED") + journal("CAPTURED")).replace(b"TEAPOTS", b"OTHERS"),
    ],
)
def test_another_statement_has_another_id(other):
    body = notification(payment("CAPTURED") + journal("CAPTURED"))
    assert parse_notification(body)[0].event_id != parse_notification(other)[0].event_id


def test_a_report_is_about_no_order():
    assert parse_notification(service("<notify><report/></notify>")) == []


@pytest.mark.parametrize(
    "body",
    [
        service("<notify/>"),
        service("<reply/>"),
        notification(""),
        notification(payment(), order_code=""),
        notification(payment(money=amount("a lot"))),
    ],
)
def test_what_cannot_be_understood_is_rejected(body):
    with pytest.raises(NotificationRejected):
        parse_notification(body)


def test_a_card_number_in_an_unexpected_place_ends_in_no_value():
    number = "4444333322221111"
    references = f'<journalReference type="refund" reference="{number}"/>'
    body = notification(payment("REFUNDED") + journal(f"X{number}", references=references))
    assert number not in repr(parse_notification(body))


def test_the_acknowledgement_is_the_one_that_worldpay_wants():
    assert (ACKNOWLEDGEMENT.status, ACKNOWLEDGEMENT.body) == (200, "[OK]")
    assert ACKNOWLEDGEMENT.content_type == "text/plain"
