"""Broken and hostile messages always raise our own errors, and never cause an outgoing request."""

from contextlib import suppress

import pytest
from hypothesis import given, settings, strategies as st

from checkout.errors import NotificationRejected, ProviderReplyInvalid
from checkout.payments.providers.base import Notification, Outcome, ProviderResult, Verb
from checkout.payments.providers.worldpay_wpg.codes import EVENTS
from checkout.payments.providers.worldpay_wpg.notifications import parse_notification
from checkout.payments.providers.worldpay_wpg.parse import parse_listing, parse_reply
from tests.payments.providers.scripted_server import ScriptedServer
from tests.payments.providers.test_worldpay_kept import worldpay
from tests.payments.providers.worldpay_messages import (
    PROLOGUE,
    acknowledged,
    amount,
    balance,
    booking,
    challenge,
    credit,
    debit,
    error,
    journal,
    named,
    notification,
    old_challenge,
    order_status,
    paid,
    payment,
    service,
)

BILLION_LAUGHS = (
    b'<!DOCTYPE paymentService [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">'
    b'<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]>'
    b"<paymentService><reply><error code='5'>&c;</error></reply></paymentService>"
)
FILE_ENTITY = (
    b'<!DOCTYPE paymentService [<!ENTITY f SYSTEM "file:///etc/passwd">]>'
    b"<paymentService><reply><error code='5'>&f;</error></reply></paymentService>"
)
HTML = b"<!DOCTYPE html><html><head><title>401</title></head><body>Authorization required</body></html>"

HOSTILE = {
    "empty": b"",
    "blank": b" \n",
    "garbage": b"\x00\xff\xfe garbage",
    "html": HTML,
    "html that is not xml": b"<html><body><p>Bad gateway<br></body></html>",
    "json": b'{"error": 1}',
    "cut": paid()[:-40],
    "billion laughs": BILLION_LAUGHS,
    "file entity": FILE_ENTITY,
    "other root": b"<other/>",
    "unclosed cdata": service("<reply><error code='5'><![CDATA[x</error></reply>"),
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_is_not_a_message_is_an_invalid_reply_and_a_rejected_notification(body):
    with pytest.raises(ProviderReplyInvalid):
        parse_reply(body)
    with pytest.raises(NotificationRejected):
        parse_notification(body)


SUBSETS = [
    '[<!ATTLIST amount currencyCode CDATA "GBP">]',
    '[<!ATTLIST amount exponent CDATA "2" debitCreditIndicator CDATA "credit">]',
    '[<!ATTLIST journalReference type CDATA "refund">]',
    "[<!ELEMENT amount EMPTY>]",
    "[ ]",
]


@pytest.mark.parametrize("subset", SUBSETS)
@pytest.mark.parametrize("external", ["", 'SYSTEM "http://dtd.worldpay.com/paymentService_v1.dtd" '])
def test_a_document_type_of_the_messages_own_supplies_nothing(subset, external):
    def with_subset(body: bytes) -> bytes:
        before, _, content = body.partition(b"<!DOCTYPE")
        _, _, content = content.partition(b">")
        return before + f"<!DOCTYPE paymentService {external}{subset}>".encode() + content

    without_currency = '<amount value="1050" exponent="2"/>'
    for money in (None, without_currency):
        with pytest.raises(ProviderReplyInvalid):
            parse_reply(with_subset(paid(money=money)))
        with pytest.raises(NotificationRejected):
            parse_notification(with_subset(notification(payment(money=money))))
        status = f'<orderStatus orderCode="1">{payment(money=money)}</orderStatus>'
        with pytest.raises(ProviderReplyInvalid):
            parse_listing(with_subset(service(f"<reply>{status}</reply>")))


EXCESSES = {
    "too large": "<!--" + "x" * 70_000 + "-->",
    "too deep": "<a>" * 60 + "</a>" * 60,
    "too many elements": "<a/>" * 5_000,
}


@pytest.mark.parametrize("excess", EXCESSES.values(), ids=EXCESSES.keys())
def test_a_message_that_would_be_good_but_for_its_size_is_not_read(excess):
    with pytest.raises(ProviderReplyInvalid):
        parse_reply(order_status(payment() + excess))
    with pytest.raises(NotificationRejected):
        parse_notification(notification(payment() + excess))


def test_the_external_document_type_is_never_fetched():
    with ScriptedServer() as server:
        url = f"http://127.0.0.1:{server.port}/paymentService_v1.dtd"
        body = paid().replace(b"http://dtd.worldpay.com/paymentService_v1.dtd", url.encode())
        assert url.encode() in body
        assert parse_reply(body).outcome == Outcome.APPROVED
        assert server.connections == 0


@pytest.mark.parametrize(
    "document_type",
    [
        '<!DOCTYPE paymentService PUBLIC "-//WorldPay//EN""http://dtd.worldpay.com/v1.dtd">',
        "<!DOCTYPE paymentService PUBLIC '-//WorldPay//EN''http://dtd.worldpay.com/v1.dtd' >",
        '<!DOCTYPE paymentService PUBLIC "-//WorldPay//EN">',
        "",
    ],
)
def test_a_document_type_that_is_badly_written_does_not_hurt(document_type):
    start, end = PROLOGUE.index("<!DOCTYPE"), len(PROLOGUE)
    body = paid(extra="<note>Tea & Co</note>").replace(PROLOGUE[start:end].encode(), document_type.encode())
    assert parse_reply(body).outcome == Outcome.APPROVED


def test_raw_ampersands_are_read_as_they_are_meant():
    body = error(3, "X").replace(b"<![CDATA[X]]>", b"Tea & Co &copy; &amp; sons &#163;5 a&b;")
    result = parse_reply(body, Verb.CAPTURE)
    assert result.refusal is not None
    assert result.refusal.description == "Tea & Co &copy; & sons £5 a&b;"


def test_repairing_ampersands_leaves_cdata_alone():
    body = challenge(acs_url="https://issuer.example/?a=1&b=2&lt;=3")
    body = body.replace(b"</orderStatus>", b"<note>Tea & Co</note></orderStatus>")
    result = parse_reply(body)
    assert result.challenge is not None
    assert result.challenge.acs_url == "https://issuer.example/?a=1&b=2&lt;=3"


@pytest.mark.parametrize(
    ("declared", "actual"),
    [
        ("UTF-8", "iso-8859-1"),
        ("ISO-8859-1", "utf-8"),
        ("ISO-8859-1", "iso-8859-1"),
        ("UTF-16", "utf-8"),
        ("no-such-encoding", "utf-8"),
        ("no-such-encoding", "iso-8859-1"),
        ("utf-8", "utf-8-sig"),
        ("UTF-8", "utf-16"),
        ("rot13", "iso-8859-1"),
    ],
)
def test_wrong_encoding_declarations_do_not_hurt(declared, actual):
    text = error(3, "Café fermé").decode().replace('encoding="UTF-8"', f'encoding="{declared}"')
    result = parse_reply(text.encode(actual), Verb.CAPTURE)
    assert result.refusal is not None
    assert result.refusal.description == "Café fermé"


GENUINE = [
    paid(extra='<ISO8583ReturnCode code="5" description="REFUSED"/>'),
    paid("REFUSED", '<ThreeDSecureResult description="Failed"><eci>05</eci></ThreeDSecureResult>'),
    challenge(),
    old_challenge("request"),
    error(5, "Order not ready"),
    acknowledged("captureReceived", amount()),
    error(9, "Idempotent requests are not enabled for this customer"),
    order_status(payment("REFUNDED") + journal("REFUNDED", references=named(refund="op_1"))),
    paid("CAPTURED", balance("IN_PROCESS_CAPTURED", 1050)),
    notification(payment() + journal("CAPTURED", booking("IN_PROCESS_CAPTURED", amount()))),
    notification(
        payment("SENT_FOR_REFUND", "<reference>op_1</reference>")
        + journal(
            "SENT_FOR_REFUND",
            debit("IN_PROCESS_CAPTURED", 300) + credit("REFUND_PENDING", 300),
            named(capture="op_1", refund_authorisation="null"),
        )
    ),
    b"OrderCode=order-1&PaymentStatus=AUTHORISED",
]
FRAGMENTS = [
    b"<",
    b">",
    b"&",
    b"]]>",
    b"<![CDATA[",
    b'"',
    b"\xff",
    b"\x00",
    b"<payment>",
    b"</reply>",
    b"null",
    b'<!DOCTYPE a [<!ATTLIST amount exponent CDATA "2">]>',
    b'<accountTx accountType="PAYOUT"><amount value="1" currencyCode="EUR" exponent="2"/></accountTx>',
    b'<journal journalType="REFUNDED"/>',
    b'<journalReference type="capture" reference="x"/>',
    b'<balance accountType="IN_PROCESS_CAPTURED"/>',
    b"<lastEvent>REFUSED</lastEvent>",
    b'<error code="5">XML failed validation</error>',
    b"debit",
    b' xmlns:a="b" a:c="d"',
    b"a=b&",
]


@st.composite
def damaged(draw):
    """Draw a genuine message with some cuts, repetitions and insertions."""
    body = draw(st.sampled_from(GENUINE))
    for _ in range(draw(st.integers(1, 6))):
        start = draw(st.integers(0, len(body)))
        end = draw(st.integers(start, min(len(body), start + 60)))
        patch = draw(st.sampled_from(FRAGMENTS) | st.binary(max_size=8))
        body = body[:start] + patch + body[draw(st.sampled_from([start, end])) :]
    return body


@settings(max_examples=500)
@given(damaged() | st.binary(max_size=300), st.sampled_from(Verb))
def test_no_reply_raises_anything_but_an_invalid_reply(body, verb):
    with suppress(ProviderReplyInvalid):
        assert isinstance(parse_reply(body, verb), ProviderResult)
    with suppress(ProviderReplyInvalid):
        assert all(isinstance(result, ProviderResult) for result in parse_listing(body))


@settings(max_examples=500)
@given(damaged() | st.binary(max_size=300))
def test_no_notification_raises_anything_but_a_rejection(body):
    with suppress(NotificationRejected):
        assert all(isinstance(entry, Notification) for entry in parse_notification(body))
    assert isinstance(worldpay().scrub(body), str)


ACCOUNTS = ["IN_PROCESS_AUTHORISED", "IN_PROCESS_CAPTURED", "SETTLED_BIBIT_NET", "REFUND_PENDING", "NEW"]
ENTRIES = st.lists(
    st.tuples(
        st.sampled_from(ACCOUNTS),
        st.integers(0, 999) | st.sampled_from(["", "x", "-1", "9" * 16]),
        st.sampled_from(["GBP", "EUR", "JPY", "ZZZ", ""]),
        st.sampled_from(["0", "2", "3", "", "9"]),
        st.sampled_from(["credit", "debit", "neither"]),
    ),
    max_size=5,
)


@settings(max_examples=500)
@given(st.sampled_from(sorted(EVENTS)), ENTRIES)
def test_no_journal_raises_anything_but_a_rejection_or_tells_the_payments_amount(event, entries):
    bookings = "".join(
        booking(account, amount(value, currency, exponent, side))
        for account, value, currency, exponent, side in entries
    )
    payments = payment(event, money=amount(7_777_777))
    with suppress(NotificationRejected):
        [entry] = parse_notification(notification(payments + journal(event, bookings)))
        if entries:
            assert entry.amount is None or 0 < entry.amount.minor < 7_777_777


@settings(max_examples=300)
@given(st.sampled_from(sorted(EVENTS)), ENTRIES)
def test_no_balances_raise_anything_or_give_sums_below_zero(event, entries):
    balances = "".join(
        f'<balance accountType="{account}">{amount(value, currency, exponent, side)}</balance>'
        for account, value, currency, exponent, side in entries
    )
    result = parse_reply(paid(event, balances), Verb.INQUIRE)
    position, kept = result.position, result.kept
    assert kept is None or (position is None and 0 <= kept.minor <= 1050)
    if position is not None:
        assert 0 <= position.refunded.minor <= position.captured.minor <= position.authorised.minor <= 1050
