"""What Worldpay's replies mean."""

import pytest

from checkout.errors import ProviderReplyInvalid
from checkout.money import Money
from checkout.providers.base import (
    CardChecks,
    CardSummary,
    EventKind,
    Outcome,
    RefusalReason,
    ThreeDSecure,
    Verb,
)
from checkout.providers.worldpay_wpg.parse import parse_reply
from tests.providers.worldpay_messages import (
    acknowledged,
    amount,
    challenge,
    error,
    journal,
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
    assert result.three_ds == ThreeDSecure(result="Cardholder authenticated", eci="05", transaction_id="ds-1")
    assert result.reference == "666"
    assert result.refusal is None
    assert "secret" not in repr(result)


@pytest.mark.parametrize(
    ("event", "outcome", "kind"),
    [
        ("CAPTURED", Outcome.APPROVED, EventKind.CAPTURED),
        ("SETTLED", Outcome.APPROVED, EventKind.SETTLED),
        ("SETTLED_BY_MERCHANT", Outcome.APPROVED, EventKind.SETTLED),
        ("SENT_FOR_REFUND", Outcome.APPROVED, EventKind.OTHER),
        ("REFUNDED", Outcome.APPROVED, EventKind.REFUNDED),
        ("REFUND_FAILED", Outcome.APPROVED, EventKind.REFUND_FAILED),
        ("CHARGED_BACK", Outcome.APPROVED, EventKind.CHARGED_BACK),
        ("SENT_FOR_AUTHORISATION", Outcome.PENDING, EventKind.OTHER),
        ("SHOPPER_REDIRECTED", Outcome.PENDING, EventKind.OTHER),
        ("REFUSED_BY_BANK", Outcome.REFUSED, EventKind.REFUSED),
        ("CANCELLED", Outcome.REFUSED, EventKind.CANCELLED),
        ("EXPIRED", Outcome.REFUSED, EventKind.EXPIRED),
        ("ERROR", Outcome.REFUSED, EventKind.ERROR),
    ],
)
def test_events_have_their_meaning(event, outcome, kind):
    result = parse_reply(paid(event))
    assert (result.outcome, result.kind, result.event) == (outcome, kind, event)
    assert (result.refusal is not None) == (outcome == Outcome.REFUSED)


def test_an_event_that_nobody_knows_is_kept_and_never_called_a_refusal():
    result = parse_reply(paid("TELEPORTED"))
    assert (result.outcome, result.event, result.kind) == (Outcome.UNKNOWN, "TELEPORTED", EventKind.OTHER)


@pytest.mark.parametrize("event", ["null", ""])
def test_an_order_without_an_event_is_unknown(event):
    result = parse_reply(paid(event))
    assert (result.outcome, result.event) == (Outcome.UNKNOWN, "")


def test_the_last_journal_speaks_for_a_payment_without_an_event():
    result = parse_reply(order_status(payment("null") + journal("AUTHORISED") + journal("CAPTURED")))
    assert (result.outcome, result.event) == (Outcome.APPROVED, "CAPTURED")


def test_one_approved_try_among_several_makes_the_order_approved():
    result = parse_reply(order_status(payment("REFUSED") + payment("AUTHORISED")))
    assert result.outcome == Outcome.APPROVED


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("5", RefusalReason.REFUSED_BY_ISSUER),
        ("51", RefusalReason.INSUFFICIENT_FUNDS),
        ("054", RefusalReason.CARD_EXPIRED),
        ("34", RefusalReason.SUSPECTED_FRAUD),
        ("43", RefusalReason.LOST_OR_STOLEN),
        ("65", RefusalReason.AUTHENTICATION_REQUIRED),
        ("835", RefusalReason.SECURITY_CODE_INVALID),
        ("91", RefusalReason.ISSUER_UNAVAILABLE),
        ("999", RefusalReason.REFUSED_BY_ISSUER),
    ],
)
def test_return_codes_become_our_reasons(code, reason):
    result = parse_reply(paid("REFUSED", f'<ISO8583ReturnCode code="{code}" description="SOME WORDS"/>'))
    assert result.refusal is not None
    assert (result.refusal.reason, result.refusal.code) == (reason, code)
    assert result.refusal.description == "SOME WORDS"


def test_a_failed_authentication_is_told_from_a_refusal_by_the_issuer():
    result = parse_reply(paid("REFUSED", '<ThreeDSecureResult description="Failed"/>'))
    assert result.refusal is not None
    assert result.refusal.reason == RefusalReason.AUTHENTICATION_FAILED


@pytest.mark.parametrize(
    ("indicator", "reason"),
    [("01", RefusalReason.CANCELLED), ("04", RefusalReason.AUTHENTICATION_FAILED)],
)
def test_a_shopper_who_cancelled_is_told_from_one_whose_time_ran_out(indicator, reason):
    three_ds = f"<challengeCancelIndicator>{indicator}</challengeCancelIndicator>"
    result = parse_reply(
        paid("REFUSED", f'<ThreeDSecureResult description="Failed">{three_ds}</ThreeDSecureResult>')
    )
    assert result.refusal is not None
    assert result.refusal.reason == reason


def test_a_precise_return_code_outweighs_the_authentication():
    result = parse_reply(
        paid(
            "REFUSED",
            '<ISO8583ReturnCode code="51" description="FUNDS"/><ThreeDSecureResult description="Failed"/>',
        )
    )
    assert result.refusal is not None
    assert result.refusal.reason == RefusalReason.INSUFFICIENT_FUNDS


def test_a_challenge_has_what_the_browser_needs():
    result = parse_reply(challenge())
    assert result.outcome == Outcome.CHALLENGE_REQUIRED
    assert result.challenge is not None
    assert result.challenge.version == "2.2.0"
    assert result.challenge.transaction_id == "tx-1"
    assert result.challenge.acs_url == "https://acs.example/challenge?a=1"
    assert result.challenge.payload == "eyJhY3NUcmFuc0lEIjoiMSJ9"


def test_the_old_shape_of_a_challenge_keeps_the_request_whole_and_the_echo():
    request = "eJxVUsFu" + "wjAM/ZWK+4" * 400 + "=="
    result = parse_reply(old_challenge(request))
    assert result.outcome == Outcome.CHALLENGE_REQUIRED
    assert result.challenge is not None
    assert result.challenge.version == "1"
    assert result.challenge.payload == request
    assert result.challenge.acs_url == "https://issuer.example/acs?a=1&b=2"
    assert result.challenge.echo_data == "1374244409987691395"


@pytest.mark.parametrize(
    "body",
    [
        challenge(acs_url="javascript:alert(1)"),
        challenge(acs_url=""),
        challenge(acs_url="/relative"),
        challenge(acs_url="https://[bad"),
        challenge(payload=""),
        old_challenge(""),
        old_challenge("request", issuer_url="data:text/html,hello"),
        order_status("<challengeRequired><threeDSSessionId>1</threeDSSessionId></challengeRequired>"),
    ],
)
def test_a_challenge_that_no_browser_should_follow_is_an_invalid_reply(body):
    with pytest.raises(ProviderReplyInvalid):
        parse_reply(body)


@pytest.mark.parametrize(
    ("tag", "content", "money"),
    [
        ("captureReceived", amount(500), Money(500, "GBP")),
        ("refundReceived", amount(300, "JPY", 0), Money(300, "JPY")),
        ("cancelReceived", "", None),
        ("voidReceived", "", None),
        ("somethingNewReceived", "", None),
    ],
)
def test_an_acknowledgement_is_not_success(tag, content, money):
    result = parse_reply(acknowledged(tag, content), Verb.CAPTURE)
    assert (result.outcome, result.order_code, result.event) == (Outcome.PENDING, "order-1", tag)
    assert result.amount == money


@pytest.mark.parametrize("of_order", [True, False])
@pytest.mark.parametrize(
    ("code", "verb", "outcome"),
    [
        ("1", Verb.AUTHORISE, Outcome.UNKNOWN),
        ("2", Verb.AUTHORISE, Outcome.REFUSED),
        ("3", Verb.AUTHORISE, Outcome.REFUSED),
        ("5", Verb.AUTHORISE, Outcome.UNKNOWN),
        ("7", Verb.AUTHORISE, Outcome.REFUSED),
        ("8", Verb.AUTHORISE, Outcome.UNKNOWN),
        ("9", Verb.AUTHORISE, Outcome.UNKNOWN),
        ("13", Verb.AUTHORISE, Outcome.UNKNOWN),
        ("99", Verb.AUTHORISE, Outcome.UNKNOWN),
        ("", Verb.AUTHORISE, Outcome.UNKNOWN),
        ("5", Verb.COMPLETE_CHALLENGE, Outcome.UNKNOWN),
        ("7", Verb.COMPLETE_CHALLENGE, Outcome.UNKNOWN),
        ("1", Verb.CAPTURE, Outcome.UNKNOWN),
        ("5", Verb.CAPTURE, Outcome.REFUSED),
        ("5", Verb.REFUND, Outcome.REFUSED),
        ("2", Verb.INQUIRE, Outcome.UNKNOWN),
        ("5", Verb.INQUIRE, Outcome.UNKNOWN),
    ],
)
def test_an_error_is_final_only_where_nothing_can_have_happened(code, verb, outcome, of_order):
    result = parse_reply(error(code, of_order=of_order), verb)
    assert (result.outcome, result.event) == (outcome, f"ERROR {code}".strip())
    assert result.order_code == ("order-1" if of_order else "")
    if outcome == Outcome.REFUSED:
        assert result.refusal is not None
        assert (result.refusal.code, result.refusal.description) == (code, "Something went wrong")
    else:
        assert result.refusal is None


def test_an_order_that_the_provider_never_heard_of_was_not_sent():
    result = parse_reply(error(5, "Could not find payment for order"), Verb.INQUIRE)
    assert (result.outcome, result.event) == (Outcome.NOT_SENT, "MISSING")


def test_an_order_that_is_not_ready_exists_and_is_unknown():
    result = parse_reply(error(5, "Order not ready"), Verb.INQUIRE)
    assert (result.outcome, result.event) == (Outcome.UNKNOWN, "NOT_READY")


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (amount(1050, "GBP", 2), Money(1050, "GBP")),
        (amount(100, "JPY", 0), Money(100, "JPY")),
        (amount(1234, "KWD", 3), Money(1234, "KWD")),
        (amount(1000, "HUF", 0), Money(100000, "HUF")),
        (amount(100, "JPY", 2), Money(1, "JPY")),
        ("", None),
    ],
)
def test_amounts_are_in_our_minor_units_whatever_the_exponent(sent, expected):
    assert parse_reply(paid(money=sent)).amount == expected


@pytest.mark.parametrize(
    "sent",
    [
        amount(150, "JPY", 2),
        amount(12345, "GBP", 3),
        amount("1e3"),
        amount("-5"),
        amount(""),
        amount("١٢"),
        amount(5, "gbp"),
        amount(5, "POUNDS"),
        amount(5, "GBP", ""),
        amount(5, "GBP", "two"),
        amount("9" * 40),
    ],
)
def test_an_amount_that_cannot_be_trusted_makes_the_reply_invalid(sent):
    with pytest.raises(ProviderReplyInvalid):
        parse_reply(paid(money=sent))


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
