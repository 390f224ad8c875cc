"""The meaning of Worldpay's replies."""

import pytest

from checkout.errors import ProviderReplyInvalid
from checkout.money import Money
from checkout.payments.providers.authentication import Authentication, ThreeDSecure
from checkout.payments.providers.base import (
    CardChecks,
    CardSummary,
    EventKind,
    Outcome,
    RefusalReason,
    Verb,
)
from checkout.payments.providers.worldpay_wpg.parse import parse_reply
from tests.payments.providers.worldpay_messages import (
    acknowledged,
    amount,
    challenge,
    error,
    journal,
    named,
    old_challenge,
    order_status,
    paid,
    payment,
    service,
)


def test_an_authorised_payment_tells_everything_that_may_be_kept():
    result = parse_reply(
        paid(
            extra='<AuthorisationId id="666"/><CVCResultCode description="APPROVED"/>'
            '<AVSResultCode description="NOT SENT TO ACQUIRER"/>'
            '<ThreeDSecureResult description="Cardholder authenticated"><eci>05</eci><cavv>secret</cavv>'
            "<dsTransactionId>ds-1</dsTransactionId></ThreeDSecureResult>"
            "<cardNumber>4444********1111</cardNumber>"
        )
    )
    assert result.outcome == Outcome.APPROVED
    assert (result.order_code, result.event, result.kind) == ("order-1", "AUTHORISED", EventKind.AUTHORISED)
    assert result.amount == Money(1050, "GBP")
    assert result.card == CardSummary(brand="visa", last4="1111", expiry="01/2031")
    assert result.checks == CardChecks(security_code="APPROVED", address="NOT SENT TO ACQUIRER")
    assert result.three_ds == ThreeDSecure(
        result="Cardholder authenticated",
        status=Authentication.AUTHENTICATED,
        eci="05",
        transaction_id="ds-1",
    )
    assert result.reference == "666"
    assert result.refusal is None
    assert "secret" not in repr(result)


@pytest.mark.parametrize(
    ("month", "year", "expiry"),
    [
        ("1", "2031", "01/2031"),
        ("12", "2031", "12/2031"),
        ("13", "2031", ""),
        ("00", "2031", ""),
        ("11", "099", ""),
        ("11", "20312031", ""),
        ("\u0661", "2031", ""),
    ],
)
def test_an_expiry_is_a_month_and_a_year_or_none(month, year, expiry):
    body = paid().replace(b'month="1" year="2031"', f'month="{month}" year="{year}"'.encode())
    result = parse_reply(body)
    assert result.card == CardSummary(brand="visa", last4="1111", expiry=expiry)


@pytest.mark.parametrize(
    ("event", "outcome", "kind"),
    [
        ("CAPTURED", Outcome.APPROVED, EventKind.CAPTURED),
        ("PARTIAL_CAPTURED", Outcome.APPROVED, EventKind.CAPTURED),
        ("SETTLED", Outcome.APPROVED, EventKind.SETTLED),
        ("SETTLED_BY_MERCHANT", Outcome.APPROVED, EventKind.SETTLED),
        ("SENT_FOR_REFUND", Outcome.APPROVED, EventKind.REFUND_SENT),
        ("SENT_FOR_FAST_REFUND", Outcome.APPROVED, EventKind.REFUND_SENT),
        ("REFUND_REQUESTED", Outcome.APPROVED, EventKind.OTHER),
        ("REFUND_WEBFORM_ISSUED", Outcome.APPROVED, EventKind.OTHER),
        ("REFUNDED", Outcome.APPROVED, EventKind.REFUNDED),
        ("REFUNDED_BY_MERCHANT", Outcome.APPROVED, EventKind.REFUNDED),
        ("REFUND_FAILED", Outcome.APPROVED, EventKind.REFUND_FAILED),
        ("REFUND_EXPIRED", Outcome.APPROVED, EventKind.REFUND_FAILED),
        ("INFORMATION_REQUESTED", Outcome.APPROVED, EventKind.OTHER),
        ("INFORMATION_SUPPLIED", Outcome.APPROVED, EventKind.OTHER),
        ("CHARGED_BACK", Outcome.APPROVED, EventKind.CHARGED_BACK),
        ("CHARGEBACK_REVERSED", Outcome.APPROVED, EventKind.CHARGE_BACK_REVERSED),
        ("DISPUTE_EXPIRED", Outcome.APPROVED, EventKind.OTHER),
        ("DISPUTE_RESERVE_RELEASED", Outcome.APPROVED, EventKind.OTHER),
        ("DISPUTED_FUNDS_HELD", Outcome.APPROVED, EventKind.OTHER),
        ("DISPUTED_FUNDS_RELEASED", Outcome.APPROVED, EventKind.OTHER),
        ("CANCEL_RECEIVED", Outcome.APPROVED, EventKind.OTHER),
        ("CAPTURE_RECEIVED", Outcome.APPROVED, EventKind.OTHER),
        ("REFUND_RECEIVED", Outcome.APPROVED, EventKind.OTHER),
        ("QUERY_REQUIRED", Outcome.PENDING, EventKind.OTHER),
        ("SENT_FOR_AUTHORISATION", Outcome.PENDING, EventKind.OTHER),
        ("SHOPPER_REDIRECTED", Outcome.PENDING, EventKind.OTHER),
        ("WAITING_FOR_SHOPPER", Outcome.PENDING, EventKind.OTHER),
        ("SIGNED_FORM_RECEIVED", Outcome.PENDING, EventKind.OTHER),
        ("OPEN", Outcome.PENDING, EventKind.OTHER),
        ("REFUSED_BY_BANK", Outcome.REFUSED, EventKind.REFUSED),
        ("CANCELLED", Outcome.REFUSED, EventKind.CANCELLED),
        ("VOIDED", Outcome.REFUSED, EventKind.CANCELLED),
        ("EXPIRED", Outcome.REFUSED, EventKind.EXPIRED),
        ("ERROR", Outcome.REFUSED, EventKind.ERROR),
        ("FAILURE", Outcome.REFUSED, EventKind.ERROR),
    ],
)
def test_events_have_their_meaning(event, outcome, kind):
    result = parse_reply(paid(event))
    assert (result.outcome, result.kind, result.event) == (outcome, kind, event)
    assert (result.refusal is not None) == (outcome == Outcome.REFUSED)


def test_an_event_that_nobody_knows_is_kept_and_never_called_a_refusal():
    result = parse_reply(paid("TELEPORTED"))
    assert (result.outcome, result.event, result.kind) == (Outcome.UNKNOWN, "TELEPORTED", EventKind.OTHER)


@pytest.mark.parametrize("event", ["null", "NULL", ""])
def test_an_order_without_an_event_is_unknown(event):
    result = parse_reply(paid(event))
    assert (result.outcome, result.event) == (Outcome.UNKNOWN, "")


def test_the_last_journal_speaks_for_a_payment_without_an_event():
    result = parse_reply(order_status(payment("null") + journal("AUTHORISED") + journal("CAPTURED")))
    assert (result.outcome, result.event) == (Outcome.APPROVED, "CAPTURED")


ERROR = '<error code="5">Something went wrong</error>'


@pytest.mark.parametrize(
    "body",
    [
        order_status(payment("REFUSED") + payment("AUTHORISED")),
        order_status(payment("AUTHORISED") + payment("REFUSED")),
        order_status(payment("AUTHORISED") + payment("AUTHORISED")),
        paid("AUTHORISED", "<lastEvent>REFUSED</lastEvent>"),
        order_status(payment("AUTHORISED") + '<error code="2">Not understood</error>'),
        order_status('<error code="2">Not understood</error><error code="1">Internal</error>'),
        challenge().replace(b"</orderStatus>", payment("REFUSED").encode() + b"</orderStatus>"),
        challenge().replace(b"</orderStatus>", ERROR.encode() + b"</orderStatus>"),
        challenge().replace(
            b"</orderStatus>",
            b"<requestInfo><request3DSecure><paRequest>r</paRequest><issuerURL>https://issuer.example/"
            b"</issuerURL></request3DSecure></requestInfo></orderStatus>",
        ),
        paid("REFUSED").replace(b"</reply>", ERROR.encode() + b"</reply>"),
        service(f"<reply>{ERROR}{ERROR}</reply>"),
        acknowledged("captureReceived").replace(b"</reply>", ERROR.encode() + b"</reply>"),
        acknowledged("captureReceived").replace(b"</ok>", b'<refundReceived orderCode="order-1"/></ok>'),
    ],
)
@pytest.mark.parametrize("verb", [Verb.AUTHORISE, Verb.CAPTURE, Verb.INQUIRE])
def test_an_answer_that_says_two_things_is_unknown(body, verb):
    result = parse_reply(body, verb)
    assert (result.outcome, result.event) == (Outcome.UNKNOWN, "CONTRADICTORY")
    assert result.order_code in {"order-1", ""}
    assert (result.position, result.refusal, result.challenge, result.references) == (None, None, None, ())


def test_two_replies_in_one_message_are_not_understood():
    with pytest.raises(ProviderReplyInvalid):
        parse_reply(paid().replace(b"</reply>", b"</reply><reply/>"))


@pytest.mark.parametrize(
    ("event", "types", "expected"),
    [
        ("CAPTURED", {"refund": "other", "capture": "op_1"}, ("op_1",)),
        ("REFUNDED", {"refund_authorisation": "987654", "capture": "op_1"}, ("op_1", "987654")),
        ("REFUNDED", {"refund": "null", "capture": "op_1"}, ("op_1",)),
        ("SENT_FOR_REFUND", {"refund": "op_1"}, ("op_1",)),
        ("AUTHORISED", {"capture": "op_1"}, ()),
    ],
)
def test_an_inquiry_names_what_the_last_event_booked(event, types, expected):
    body = order_status(payment(event) + journal(event, references=named(**types)))
    assert parse_reply(body, Verb.INQUIRE).references == expected


def test_another_events_journal_names_nothing_for_the_last_event():
    body = order_status(payment("REFUND_FAILED") + journal("REFUNDED", references=named(refund="op_1")))
    assert parse_reply(body, Verb.INQUIRE).references == ()


def test_the_payment_may_name_what_the_last_event_booked():
    named_by_payment = "<refundReference>op_1</refundReference><reference>op_2</reference>"
    body = order_status(payment("REFUNDED", named_by_payment))
    assert parse_reply(body, Verb.INQUIRE).references == ("op_1", "op_2")


def test_a_challenge_has_what_the_browser_needs():
    result = parse_reply(challenge())
    assert result.outcome == Outcome.CHALLENGE_REQUIRED
    assert result.challenge is not None
    assert result.challenge.version == "2.2.0"
    assert result.challenge.transaction_id == "tx-1"
    assert result.challenge.acs_url == "https://acs.example/challenge?a=1"
    assert result.challenge.payload == "eyJhY3NUcmFuc0lEIjoiMSJ9"


def test_an_address_that_was_broken_into_lines_is_put_together():
    result = parse_reply(challenge(acs_url="\n https://acs.example/chal\n  lenge?a=1 \n"))
    assert result.challenge is not None
    assert result.challenge.acs_url == "https://acs.example/challenge?a=1"


@pytest.mark.parametrize("request_text", ["eJxVUsFuwjAM", ""])
def test_a_payment_that_only_3d_secure_1_could_authenticate_is_refused(request_text):
    result = parse_reply(old_challenge(request_text))
    assert (result.outcome, result.event) == (Outcome.REFUSED, "request3DSecure")
    assert (result.order_code, result.challenge) == ("order-1", None)
    assert result.refusal is not None
    assert result.refusal.reason == RefusalReason.AUTHENTICATION_FAILED


@pytest.mark.parametrize("verb", [verb for verb in Verb if verb not in (Verb.AUTHORISE, Verb.DELETE_TOKEN)])
def test_3d_secure_1_in_answer_to_a_later_message_does_not_say_that_nothing_is_held(verb):
    assert parse_reply(old_challenge("request"), verb).outcome == Outcome.UNKNOWN


@pytest.mark.parametrize(
    "body",
    [
        challenge().replace(b"tx-1", b""),
        challenge(acs_url="javascript:alert(1)"),
        challenge(acs_url="javascript://acs.example/%0Aalert(1)"),
        challenge(acs_url=""),
        challenge(acs_url="/relative"),
        challenge(acs_url="https://[bad"),
        challenge(payload=""),
        order_status("<challengeRequired><threeDSSessionId>1</threeDSSessionId></challengeRequired>"),
    ],
)
def test_a_challenge_that_no_browser_should_follow_is_an_invalid_reply(body):
    with pytest.raises(ProviderReplyInvalid):
        parse_reply(body)


@pytest.mark.parametrize(
    ("verb", "tag", "content", "money"),
    [
        (Verb.CAPTURE, "captureReceived", amount(500), Money(500, "GBP")),
        (Verb.REFUND, "refundReceived", amount(300, "JPY", 0), Money(300, "JPY")),
        (Verb.VOID, "cancelReceived", "", None),
        (Verb.VOID, "voidReceived", "", None),
    ],
)
def test_an_acknowledgement_is_not_success(verb, tag, content, money):
    result = parse_reply(acknowledged(tag, content), verb)
    assert (result.outcome, result.order_code, result.event) == (Outcome.PENDING, "order-1", tag)
    assert result.amount == money


@pytest.mark.parametrize(
    ("verb", "tag"),
    [
        (Verb.CAPTURE, "somethingNewReceived"),
        (Verb.CAPTURE, "refundReceived"),
        (Verb.REFUND, "cancelReceived"),
        (Verb.AUTHORISE, "captureReceived"),
        (Verb.INQUIRE, "captureReceived"),
    ],
)
def test_an_acknowledgement_that_is_not_the_request_s_says_nothing(verb, tag):
    result = parse_reply(acknowledged(tag, amount(500)), verb)
    assert (result.outcome, result.event) == (Outcome.UNKNOWN, "CONTRADICTORY")


def test_tokens_and_other_elements_that_are_not_used_do_not_disturb():
    token = (
        '<token><authenticatedShopperID>s</authenticatedShopperID><tokenDetails tokenEvent="NEW">'
        "<paymentTokenID>99117</paymentTokenID></tokenDetails></token>"
    )
    extra = "<schemeResponse><transactionIdentifier>1</transactionIdentifier></schemeResponse>"
    result = parse_reply(order_status(payment(extra=extra) + token))
    assert result.outcome == Outcome.APPROVED


@pytest.mark.parametrize(
    ("method", "brand"),
    [("VISA_CREDIT-SSL", "visa"), ("ECMC-SSL", "mastercard"), ("AMEX-SSL", "amex"), ("NEW-SSL", "")],
)
def test_the_brand_is_told_in_our_words(method, brand):
    result = parse_reply(paid(method=method))
    assert result.card is not None
    assert result.card.brand == brand


def test_other_versions_of_the_message_are_read():
    reply = f'<reply><orderStatus orderCode="order-1">{payment()}</orderStatus></reply>'
    assert parse_reply(service(reply, version="1.4.1")).outcome == Outcome.APPROVED


def test_card_numbers_in_a_reply_end_in_no_value():
    number = "4444333322221111"
    result = parse_reply(error(3, f"Card {number} is not accepted"))
    assert number not in repr(result)
    result = parse_reply(paid(f"X{number}", f"<cardNumber>{number}</cardNumber>"))
    assert number not in repr(result)
    assert result.card is not None
    assert result.card.last4 == "1111"


@pytest.mark.parametrize(
    "body",
    [
        service("<reply/>"),
        service("<reply><ok/></reply>"),
        service("<notify/>"),
        service('<reply><orderStatus orderCode="1"/><orderStatus orderCode="2"/></reply>'),
        order_status(""),
        service(""),
    ],
)
def test_a_message_that_says_nothing_about_an_order_is_an_invalid_reply(body):
    with pytest.raises(ProviderReplyInvalid):
        parse_reply(body)
