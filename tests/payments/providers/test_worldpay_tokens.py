"""Worldpay's tokens: how they are requested and used, and what answers about them mean."""

from dataclasses import replace
from datetime import date

import pytest
from defusedxml.ElementTree import fromstring
from lxml import etree

from checkout.errors import ProviderReplyInvalid
from checkout.payments.providers.base import Outcome
from checkout.payments.providers.saved_cards import TOKEN_NOT_FOUND, KeptToken, MerchantInitiated, StoredCard
from checkout.payments.providers.worldpay_wpg import build
from checkout.payments.providers.worldpay_wpg.parse import parse_reply, parse_token_deletion
from tests.payments.providers.requests_to_make import authorisation
from tests.payments.providers.worldpay_messages import error, order_status, paid, payment, service

SETUP = build.Setup(merchant_code="TEAPOTS")
STORED = StoredCard(
    token="9912345678901234567",
    shopper="cus_1",
    reason=MerchantInitiated.UNSCHEDULED,
    scheme_transaction="MCC123456",
)
SAVING = build.authorisation(authorisation(saves_for="cus_1"), SETUP)
CHARGING = build.authorisation(authorisation(sealed_card="", stored_card=STORED), SETUP)
CHOSEN = build.authorisation(authorisation(sealed_card="", stored_card=replace(STORED, reason=None)), SETUP)
KEPT = KeptToken(token=STORED.token, shopper="cus_1")
DELETING = build.token_deletion(KEPT, SETUP)
UNTIL = '<paymentTokenExpiry><date dayOfMonth="2" month="1" year="2030"/></paymentTokenExpiry>'
CARD = (
    '<expiryDate><date month="1" year="2031"/></expiryDate><derived><cardBrand>VISA</cardBrand>'
    "<cardSubBrand>VISA_CREDIT</cardSubBrand><issuerCountryCode>GB</issuerCountryCode>"
    "<obfuscatedPAN>4444********1111</obfuscatedPAN></derived>"
)
SCHEME = "<schemeResponse><transactionIdentifier>MCC123456</transactionIdentifier></schemeResponse>"


def token(name="9912345678901234567", event="NEW", until=UNTIL, card=CARD, scheme=SCHEME):
    return (
        f'<token><authenticatedShopperID>cus_1</authenticatedShopperID><tokenDetails tokenEvent="{event}">'
        f"<paymentTokenID>{name}</paymentTokenID>{until}<tokenReason>order-1</tokenReason></tokenDetails>"
        f"<paymentInstrument><cardDetails>{card}</cardDetails></paymentInstrument>{scheme}</token>"
    )


def deleted(name: str = STORED.token) -> bytes:
    return service(f'<reply><ok><deleteTokenReceived paymentTokenID="{name}"/></ok></reply>')


def with_token(content: str, event: str = "AUTHORISED") -> bytes:
    return order_status(payment(event) + content)


def test_a_card_is_saved_as_a_token_of_one_shopper_with_the_first_use_declared():
    order = fromstring(SAVING).find("submit/order")
    assert order.find("createToken").attrib == {"tokenScope": "shopper"}
    assert order.findtext("shopper/authenticatedShopperID") == "cus_1"
    assert order.find("paymentDetails/storedCredentials").attrib == {"usage": "FIRST"}
    assert order.findtext("paymentDetails/CSE-DATA/encryptedData") == "sealed"


@pytest.mark.parametrize(
    ("relaxed", "saves_for", "sent"),
    [
        (False, "cus_1", "challengeMandated"),
        (True, "cus_1", "noChallengeRequested"),
        (False, "", "noChallengeRequested"),
    ],
)
def test_a_card_is_saved_with_a_challenge_unless_the_account_does_without(relaxed, saves_for, sent):
    setup = replace(SETUP, challenge_preference="noChallengeRequested", saves_without_challenge=relaxed)
    order = fromstring(build.authorisation(authorisation(saves_for=saves_for), setup)).find("submit/order")
    assert order.find("additional3DSData").get("challengePreference") == sent


def test_without_the_choice_nothing_is_asked_to_be_saved():
    order = fromstring(build.authorisation(authorisation(), SETUP)).find("submit/order")
    for path in ("createToken", "shopper/authenticatedShopperID", "paymentDetails/storedCredentials"):
        assert order.find(path) is None


def test_a_stored_card_is_charged_by_its_token_for_a_reason_and_without_a_browser():
    order = fromstring(CHARGING).find("submit/order")
    used = order.find("paymentDetails/storedCredentials")
    assert used.attrib == {"usage": "USED", "merchantInitiatedReason": "UNSCHEDULED"}
    assert used.findtext("schemeTransactionIdentifier") == "MCC123456"
    assert order.find("paymentDetails/TOKEN-SSL").get("tokenScope") == "shopper"
    assert order.findtext("paymentDetails/TOKEN-SSL/paymentTokenID") == STORED.token
    assert order.findtext("shopper/authenticatedShopperID") == "cus_1"
    for path in ("shopper/browser", "additional3DSData", "paymentDetails/CSE-DATA", "createToken"):
        assert order.find(path) is None


def test_a_stored_card_that_its_shopper_has_chosen_is_paid_with_under_3_d_secure():
    order = fromstring(CHOSEN).find("submit/order")
    assert order.find("paymentDetails/storedCredentials").attrib == {"usage": "USED"}
    assert order.find("paymentDetails/storedCredentials/schemeTransactionIdentifier") is None
    assert order.findtext("paymentDetails/TOKEN-SSL/paymentTokenID") == STORED.token
    assert order.findtext("shopper/authenticatedShopperID") == "cus_1"
    assert order.findtext("shopper/browser/browserLanguage") == "en-GB"
    assert order.find("paymentDetails/session").get("shopperIPAddress") == "127.0.0.1"
    assert order.find("additional3DSData").get("challengePreference") == "noPreference"
    for path in ("paymentDetails/CSE-DATA", "createToken"):
        assert order.find(path) is None


def test_a_token_is_deleted_with_the_scope_and_the_shopper_for_which_it_was_made():
    deletion = fromstring(DELETING).find("modify/paymentTokenDelete")
    assert deletion.attrib == {"tokenScope": "shopper"}
    assert [(each.tag, each.text) for each in deletion] == [
        ("paymentTokenID", STORED.token),
        ("authenticatedShopperID", "cus_1"),
    ]


def test_the_acknowledgement_of_a_deletion_is_read():
    result = parse_token_deletion(deleted(), STORED.token)
    assert (result.outcome, result.event, result.transcript) == (
        Outcome.APPROVED,
        "deleteTokenReceived",
        "",
    )


@pytest.mark.parametrize(
    ("code", "said", "outcome", "event"),
    [
        (1, "Internal error: token not found", Outcome.UNKNOWN, TOKEN_NOT_FOUND),
        (2, "Token not found", Outcome.APPROVED, "MISSING"),
        (5, "Token does not exist", Outcome.APPROVED, "MISSING"),
        (1, "Internal error", Outcome.UNKNOWN, "ERROR 1"),
        (14, "Token service failed", Outcome.UNKNOWN, "ERROR 14"),
        (8, "Payment service not available: try later", Outcome.UNKNOWN, "ERROR 8"),
        (2, "Merchant code not enabled for tokenisation", Outcome.NOT_ABLE, "ERROR 2"),
    ],
)
@pytest.mark.parametrize("of_order", [False, True])
def test_an_error_says_that_a_token_is_gone_or_leaves_it_to_another_try(code, said, outcome, event, of_order):
    result = parse_token_deletion(error(code, said, of_order=of_order), STORED.token)
    assert (result.outcome, result.event) == (outcome, event)


def test_an_order_is_not_missing_because_a_token_is():
    said = error(1, "Internal error: token not found")
    assert parse_reply(said).outcome == Outcome.UNKNOWN


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", deleted("another"), service("<reply><ok/></reply>"), service("<reply/>"), paid()],
)
def test_any_other_answer_to_a_deletion_is_not_understood(body):
    with pytest.raises(ProviderReplyInvalid):
        parse_token_deletion(body, STORED.token)


def test_two_answers_to_a_deletion_show_nothing():
    ok = '<ok><deleteTokenReceived paymentTokenID="A1"/></ok>'
    both = service(f'<reply>{ok}<error code="1">Internal error: token not found</error></reply>')
    result = parse_token_deletion(both, "A1")
    assert (result.outcome, result.event) == (Outcome.UNKNOWN, "CONTRADICTORY")


def test_nothing_prints_a_token():
    assert STORED.token not in repr(KEPT)
    assert STORED.token not in repr(authorisation(stored_card=STORED))
    issued = parse_reply(with_token(token())).token
    assert issued is not None
    assert issued.token == STORED.token
    assert STORED.token not in repr(issued)


@pytest.mark.dtd
@pytest.mark.parametrize(
    "message",
    [
        SAVING,
        CHARGING,
        CHOSEN,
        DELETING,
        deleted(),
        build.authorisation(
            authorisation(
                shopper_email="",
                stored_card=StoredCard(token="A1", shopper="cus_1", reason=MerchantInitiated.INSTALMENT),
            ),
            SETUP,
        ),
        with_token(token()),
        with_token(token(event="CONFLICT")),
        with_token('<token><error code="14"><![CDATA[Token service failed]]></error></token>'),
    ],
)
def test_worldpays_grammar_accepts_the_messages(message, dtd):
    grammar = etree.DTD(str(dtd))
    document = etree.fromstring(message, etree.XMLParser(load_dtd=False, no_network=True))
    assert grammar.validate(document), grammar.error_log


@pytest.mark.parametrize("event", ["NEW", "MATCH"])
def test_the_token_of_an_approved_payment_is_read(event):
    result = parse_reply(with_token(token(event=event)))
    assert (result.outcome, result.token_fault) == (Outcome.APPROVED, "")
    assert result.token is not None
    assert (result.token.brand, result.token.last4, result.token.expiry) == ("visa", "1111", "01/2031")
    assert result.token.valid_until == date(2030, 1, 2)
    assert result.token.scheme_transaction == "MCC123456"


def test_a_token_that_ends_in_a_month_is_good_until_the_last_day_of_it():
    """The DTD does not require the day of a date."""
    content = token(until='<paymentTokenExpiry><date month="2" year="2028"/></paymentTokenExpiry>')
    issued = parse_reply(with_token(content)).token
    assert issued is not None
    assert issued.valid_until == date(2028, 2, 29)


def test_the_payments_own_scheme_transaction_comes_first():
    scheme = "<schemeResponse><transactionIdentifier>OWN1</transactionIdentifier></schemeResponse>"
    result = parse_reply(order_status(payment("AUTHORISED", scheme) + token()))
    assert result.token is not None
    assert result.token.scheme_transaction == "OWN1"


BROKEN = {
    "an error": '<token><error code="14">Token service failed</error></token>',
    "two tokens": token() + token(),
    "no details": "<token/>",
    "another event": token(event="USE"),
    "another expiry than that of the payment": token(event="CONFLICT", card=CARD.replace("2031", "2030")),
    "no event": token(event=""),
    "no name": token(name=""),
    "a name with blanks": token(name="99 12"),
    "a name with markup": token(name="<b>9</b>"),
    "a long name": token(name=65 * "9"),
    "no expiry": token(until=""),
    "no date": token(until="<paymentTokenExpiry/>"),
    "no such day": token(until=UNTIL.replace('"2"', '"31"').replace('"1"', '"2"')),
    "a foreign digit": token(until=UNTIL.replace('"2"', '"\u0662"')),
    "no card": token(card=""),
    "another card": token(card=CARD.replace("1111", "2222")),
    "no digits": token(card=CARD.replace("1111", "****")),
    "a card of month 13": token(card=CARD.replace('month="1"', 'month="13"')),
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN.keys())
@pytest.mark.parametrize("event", ["AUTHORISED", "REFUSED"])
def test_a_broken_token_changes_nothing_but_that_no_card_is_kept(content, event):
    result, plain = parse_reply(with_token(content, event)), parse_reply(paid(event))
    assert result.token is None
    assert result.token_fault
    for name in ("outcome", "kind", "amount", "card", "refusal", "position"):
        assert getattr(result, name) == getattr(plain, name)
