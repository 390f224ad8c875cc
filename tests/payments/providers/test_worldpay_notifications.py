"""The meaning of Worldpay's order notifications."""

import pytest

from checkout.errors import NotificationFormatNotSupported, NotificationRejected
from checkout.money import Money
from checkout.payments.providers.base import EventKind, Verb
from checkout.payments.providers.worldpay_wpg.notifications import ACKNOWLEDGEMENT, parse_notification
from checkout.payments.providers.worldpay_wpg.parse import parse_reply
from tests.payments.providers.worldpay_messages import (
    MERCHANT,
    amount,
    booking,
    credit,
    debit,
    journal,
    named,
    notification,
    order_status,
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
        ("SENT_FOR_REFUND", EventKind.REFUND_SENT),
        ("SENT_FOR_FAST_REFUND", EventKind.REFUND_SENT),
        ("REFUND_REQUESTED", EventKind.OTHER),
        ("TELEPORTED", EventKind.OTHER),
    ],
)
def test_events_have_their_meaning_and_unknown_ones_are_kept(event, kind):
    [entry] = parse_notification(notification(payment(event) + journal(event)))
    assert (entry.kind, entry.event, entry.is_known) == (kind, event, event != "TELEPORTED")


@pytest.mark.parametrize(
    ("last", "kind"),
    [
        ("CANCELLED", EventKind.CANCELLED),
        ("EXPIRED", EventKind.EXPIRED),
        ("REFUSED", EventKind.REFUSED),
    ],
)
def test_an_end_of_the_authorisation_is_a_statement_beside_the_journals(last, kind):
    body = notification(payment(last) + journal("AUTHORISED", credit("IN_PROCESS_AUTHORISED", 1050)))
    first, second = parse_notification(body)
    assert (first.kind, first.event) == (EventKind.AUTHORISED, "AUTHORISED")
    assert (second.kind, second.event, second.amount) == (kind, last, Money(1050, "GBP"))
    assert first.event_id != second.event_id


@pytest.mark.parametrize("last", ["AUTHORISED", "WAITING_FOR_SHOPPER", "CAPTURED", "TELEPORTED", ""])
def test_any_other_last_event_adds_nothing_to_a_journal(last):
    [entry] = parse_notification(notification(payment(last) + journal("AUTHORISED")))
    assert entry.event == "AUTHORISED"


def test_a_journal_of_the_same_end_is_not_followed_by_a_second_statement():
    [entry] = parse_notification(notification(payment("CANCELLED") + journal("VOIDED")))
    assert entry.event == "VOIDED"


def test_a_journal_without_a_type_is_one_of_the_last_event():
    [entry] = parse_notification(notification(payment("CANCELLED") + journal("")))
    assert (entry.kind, entry.event) == (EventKind.CANCELLED, "CANCELLED")


def test_a_partial_refund_has_the_amount_that_was_booked_and_our_reference():
    entries = debit("SETTLED_BIBIT_NET", 900) + credit("IN_PROCESS_CAPTURED", 900)
    body = notification(payment("REFUNDED") + journal("REFUNDED", entries, named(refund="op_1")))
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


def body_of(event: str, references: str = "", order_code: str = "order-1") -> bytes:
    return notification(payment(event) + journal(event, references=references), order_code)


@pytest.mark.parametrize(
    ("event", "references", "expected"),
    [
        ("CAPTURED", named(refund="other", capture="op_1"), ("op_1",)),
        ("CAPTURED", named(acquirer="other"), ()),
        ("REFUNDED", named(capture="op_2", refund="op_1"), ("op_1", "op_2")),
        ("REFUNDED", named(refund_authorisation="987654", capture="op_1"), ("op_1", "987654")),
        ("REFUNDED", named(acquirer="1", refund="null", capture="op_1"), ("op_1",)),
        ("REFUNDED", named(refund="NULL", capture="Null", refund_authorisation=" null "), ()),
        ("REFUNDED", named(refund="", refund_authorisation="987654"), ("987654",)),
        ("REFUNDED", named(refund="op_1", capture="op_1"), ("op_1",)),
        ("SENT_FOR_REFUND", named(capture="op_1"), ("op_1",)),
        (
            "REFUND_FAILED",
            named(refund_response="why", refund_authorisation="987654", capture="op_2", refund="op_1"),
            ("op_1", "op_2", "987654", "why"),
        ),
        ("AUTHORISED", named(capture="op_1"), ()),
        ("CHARGED_BACK", named(capture="op_1"), ()),
    ],
)
def test_the_references_are_read_by_their_type_the_likeliest_first(event, references, expected):
    [entry] = parse_notification(body_of(event, references))
    assert entry.references == expected
    assert entry.reference == (expected[0] if expected else "")


def test_what_the_payment_names_is_a_candidate_too():
    content = payment("REFUNDED", "<refundReference>op_1</refundReference><reference>op_2</reference>")
    content += journal("REFUNDED", references=named(refund="", refund_authorisation="987654"))
    [entry] = parse_notification(notification(content))
    assert entry.references == ("op_1", "op_2", "987654")


@pytest.mark.parametrize("event", ["SENT_FOR_REFUND", "SENT_FOR_FAST_REFUND"])
@pytest.mark.parametrize(
    ("references", "kind"),
    [
        (named(capture="op_1", refund_authorisation="A87654"), EventKind.REFUNDED),
        (named(capture="op_1", refund_authorisation="null"), EventKind.REFUND_SENT),
        (named(capture="op_1", refund_authorisation=""), EventKind.REFUND_SENT),
        (named(capture="op_1"), EventKind.REFUND_SENT),
    ],
)
def test_a_refund_that_was_sent_is_made_once_it_is_authorised(event, references, kind):
    [entry] = parse_notification(body_of(event, references))
    assert (entry.kind, entry.event, entry.reference) == (kind, event, "op_1")
    found = parse_reply(order_status(payment(event) + journal(event, references=references)), Verb.INQUIRE)
    assert (found.kind, found.event, found.references[0]) == (kind, event, "op_1")


def test_the_last_of_two_refunds_that_were_sent_decides_if_an_inquiry_tells_of_one_that_was_made():
    """The first refund was authorised, and the event may be about the second."""
    first = journal("SENT_FOR_REFUND", references=named(refund="op_1", refund_authorisation="A87654"))
    second = journal("SENT_FOR_REFUND", references=named(refund="op_2", refund_authorisation="null"))
    content = payment("SENT_FOR_REFUND") + first + second
    found = parse_reply(order_status(content), Verb.INQUIRE)
    assert (found.kind, found.references) == (EventKind.REFUND_SENT, ("op_2",))


def test_a_refund_that_was_sent_without_a_journal_is_not_made():
    [entry] = parse_notification(notification(payment("SENT_FOR_REFUND")))
    assert entry.kind == EventKind.REFUND_SENT


def test_a_refund_may_be_made_after_it_failed():
    bodies = [body_of(event, named(refund="op_1")) for event in ("REFUND_FAILED", "REFUNDED")]
    entries = [entry for body in bodies for entry in parse_notification(body)]
    assert [(entry.kind, entry.reference) for entry in entries] == [
        (EventKind.REFUND_FAILED, "op_1"),
        (EventKind.REFUNDED, "op_1"),
    ]


def test_every_event_of_a_body_is_read():
    event = f'<orderStatusEvent orderCode="order-1">{payment()}</orderStatusEvent>'
    assert len(parse_notification(service(f"<notify>{event * 51}</notify>"))) == 51


@pytest.mark.parametrize(
    "body",
    [
        b"OrderCode=order-1&PaymentStatus=AUTHORISED&PaymentAmount=1050",
        b"\r\n PaymentStatus=CAPTURED",
        b"orderKey=a%5Eb",
        b"a=" + b"%00" * 20_000,
    ],
)
def test_form_fields_are_told_from_what_is_merely_broken(body):
    with pytest.raises(NotificationFormatNotSupported) as caught:
        parse_notification(body)
    assert caught.value.code == "notification_format_not_supported"
    assert "form fields" in str(caught.value)
    assert "xml" in str(caught.value)


@pytest.mark.parametrize("body", [b'{"a": "b=c"}', b"<a b='c'/>", b"=", b"A" * 100 + b"=", b"garbage"])
def test_other_bodies_are_not_taken_for_form_fields(body):
    with pytest.raises(NotificationRejected) as caught:
        parse_notification(body)
    assert not isinstance(caught.value, NotificationFormatNotSupported)


def report(content: str) -> bytes:
    return service(
        f'<notify messageType="EventReport"><report reportType="event">{content}</report></notify>'
    )


def test_the_events_in_a_report_are_statements_like_any_others():
    content = payment("CAPTURED") + journal("CAPTURED")
    event = f'<orderStatusEvent orderCode="order-{{}}">{content}</orderStatusEvent>'
    first, second = parse_notification(report(event.format(1) + event.format(2)))
    [alone] = parse_notification(service(f"<notify>{event.format(1)}</notify>"))
    assert first == alone
    assert (second.order_code, second.kind) == ("order-2", EventKind.CAPTURED)


def test_an_event_of_a_report_that_cannot_be_read_is_left_to_staff_and_spoils_no_other():
    content = payment("CAPTURED") + journal("CAPTURED")
    event = f'<orderStatusEvent orderCode="order-{{}}">{content}</orderStatusEvent>'
    strange = f'<orderStatusEvent orderCode="another-program\'s">{content * 2}</orderStatusEvent>'
    first, unread, last = parse_notification(report(event.format(1) + strange + event.format(2)))
    assert [each.order_code for each in (first, unread, last)] == ["order-1", "another-program's", "order-2"]
    assert [each.is_known for each in (first, unread, last)] == [True, False, True]
    assert (unread.kind, unread.event, unread.amount) == (EventKind.OTHER, "UNREADABLE", None)
    with pytest.raises(NotificationRejected):
        parse_notification(report(strange))


def test_a_report_of_journals_without_orders_cannot_be_read():
    with pytest.raises(NotificationRejected):
        parse_notification(report(journal("CAPTURED")))


def test_an_empty_report_is_about_no_order():
    assert parse_notification(service("<notify><report/></notify>")) == []


@pytest.mark.parametrize(
    "body",
    [
        service("<notify/>"),
        service("<reply/>"),
        notification(""),
        notification(payment(), order_code=""),
        notification(payment(money=amount("a lot"))),
        notification(payment(money=amount(1050, "ZZZ"))),
        notification(payment() + payment()),
        notification(payment(extra="<lastEvent>REFUSED</lastEvent>")),
        notification(payment() + journal("CAPTURED", debit("IN_PROCESS_CAPTURED", 100, "ZZZ"))),
        notification(
            payment() + journal("CAPTURED", booking("IN_PROCESS_CAPTURED", amount(1, indicator="Debit")))
        ),
        notification(f'<a:b xmlns:a="urn:a"/>{payment()}'),
        notification(f'<b xmlns:a="urn:a" a:c="1"/>{payment()}'),
        notification(payment()).decode().replace("UTF-8", "UTF-16").encode("utf-16"),
        notification(payment()).replace(b"paymentService", b"refundService"),
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


@pytest.mark.parametrize(
    "event", ["CAPTURED", "PARTIAL_CAPTURED", "REFUNDED", "SENT_FOR_REFUND", "CHARGED_BACK"]
)
def test_the_order_s_amount_is_not_taken_for_that_of_a_part(event):
    [entry] = parse_notification(notification(payment(event) + journal(event)))
    assert entry.amount is None


@pytest.mark.parametrize("event", ["AUTHORISED", "REFUSED", "CANCELLED", "EXPIRED", "SENT_FOR_AUTHORISATION"])
def test_the_order_s_amount_is_that_of_an_event_of_the_whole_order(event):
    [entry] = parse_notification(notification(payment(event) + journal(event)))
    assert entry.amount == Money(1050, "GBP")
