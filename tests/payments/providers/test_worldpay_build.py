"""The messages to Worldpay: their content, and their validity by its DTD."""

from dataclasses import replace
from xml.etree.ElementTree import Element

import pytest
from defusedxml.ElementTree import fromstring
from hypothesis import given, strategies as st
from lxml import etree

from checkout.errors import ProviderMisconfigured
from checkout.money import Money
from checkout.payments.providers.base import Browser
from checkout.payments.providers.worldpay_wpg import build
from checkout.payments.providers.worldpay_wpg.amounts import read_exponents
from tests.payments.providers.requests_to_make import BROWSER, authorisation, completion, modification

SETUP = build.Setup(merchant_code="TEAPOTS")


def find(root: Element, path: str) -> Element:
    found = root.find(path)
    assert found is not None, path
    return found


def first_message(setup=SETUP, **changes):
    return fromstring(build.authorisation(authorisation(**changes), setup))


def test_every_message_starts_with_the_document_type_and_names_the_merchant():
    message = build.inquiry("order-1", SETUP)
    assert message.startswith(b'<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE paymentService PUBLIC')
    root = fromstring(message)
    assert root.attrib == {"version": "1.4", "merchantCode": "TEAPOTS"}
    assert root.find("inquiry/orderInquiry[@orderCode='order-1']") is not None


def test_the_first_message_carries_order_sealed_card_and_session():
    order = first_message().find("submit/order")
    assert order.attrib == {"orderCode": "order-1", "captureDelay": "OFF"}
    assert order.findtext("description") == "One teapot"
    assert order.find("amount").attrib == {"value": "1050", "currencyCode": "GBP", "exponent": "2"}
    assert order.findtext("paymentDetails/CSE-DATA/encryptedData") == "sealed"
    assert order.find("paymentDetails/session").attrib == {
        "shopperIPAddress": "127.0.0.1",
        "id": "session-order-1",
    }
    assert order.findtext("shopper/shopperEmailAddress") == "shopper@example.com"


def test_the_provider_is_told_to_capture_nothing_by_itself():
    assert first_message().find("submit/order").get("captureDelay") == "OFF"


def test_the_provider_is_told_to_capture_at_once_if_the_authorisation_includes_the_capture():
    assert first_message(captures=True).find("submit/order").get("captureDelay") == "0"


def test_a_browser_with_scripts_tells_its_measures():
    browser = first_message().find("submit/order/shopper/browser")
    assert {child.tag: child.text for child in browser} == {
        "acceptHeader": "text/html",
        "userAgentHeader": "Mozilla/5.0",
        "timeZone": "-60",
        "browserLanguage": "en-GB",
        "browserJavaEnabled": "false",
        "browserJavaScriptEnabled": "true",
        "browserColourDepth": "24",
        "browserScreenHeight": "800",
        "browserScreenWidth": "1280",
    }


def test_a_browser_without_scripts_tells_only_what_its_headers_say():
    browser = Browser(accept_header="*/*", user_agent="Lynx", ip_address="127.0.0.1", colour_depth=24)
    element = first_message(browser=browser).find("submit/order/shopper/browser")
    assert {child.tag: child.text for child in element} == {
        "acceptHeader": "*/*",
        "userAgentHeader": "Lynx",
        "browserJavaScriptEnabled": "false",
    }


@pytest.mark.parametrize(
    ("reported", "sent"),
    [(1, "1"), (3, "1"), (24, "24"), (30, "24"), (32, "32"), (48, "48"), (64, "48"), (0, None), (None, None)],
)
def test_colour_depths_become_the_next_lower_that_issuers_know(reported, sent):
    browser = replace(BROWSER, colour_depth=reported)
    assert first_message(browser=browser).findtext(".//browserColourDepth") == sent


@pytest.mark.parametrize(
    ("scripts", "reference", "expected"),
    [(True, "0_df", "true"), (True, "", "false"), (False, "0_df", "false"), (False, "", "false")],
)
def test_issuers_expect_scripts_only_where_device_data_was_collected(scripts, reference, expected):
    browser = replace(BROWSER, javascript_enabled=scripts)
    order = first_message(browser=browser, device_data_reference=reference)
    data = order.find("submit/order/additional3DSData")
    assert data.get("javaScriptEnabled") == expected
    assert data.get("dfReferenceId") == reference


@pytest.mark.parametrize(
    ("wanted", "sent"),
    [("fullPage", "fullPage"), ("250x400", "250x400"), ("1x1", "390x400"), ("", "390x400")],
)
def test_challenge_windows_are_those_that_worldpay_knows(wanted, sent):
    data = first_message(challenge_window=wanted).find("submit/order/additional3DSData")
    assert data.get("challengeWindowSize") == sent


@pytest.mark.parametrize(
    ("given_address", "sent"),
    [
        ("2001:db8::1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("unknown", None),
        ("1.2.3.4, 5.6.7.8", None),
        ("", None),
    ],
)
def test_an_address_that_is_none_is_left_out(given_address, sent):
    message = first_message(browser=replace(BROWSER, ip_address=given_address))
    assert message.find(".//session").get("shopperIPAddress") == sent


@pytest.mark.parametrize(("demanded", "sent"), [(False, "noChallengeRequested"), (True, "challengeMandated")])
def test_a_challenge_that_is_demanded_comes_before_what_the_account_prefers(demanded, sent):
    setup = replace(SETUP, challenge_preference="noChallengeRequested")
    data = find(first_message(setup, demands_challenge=demanded), "submit/order/additional3DSData")
    assert data.get("challengePreference") == sent


def test_the_second_message_says_only_that_the_challenge_is_over():
    order = find(fromstring(build.completion(completion(), SETUP)), "submit/order")
    assert [child.tag for child in order] == ["info3DSecure", "session"]
    assert order.find("info3DSecure/completedAuthentication") is not None
    assert find(order, "session").attrib == {"id": "session-order-1"}


def test_modifications_carry_our_reference_and_amount():
    for name, message in (
        ("capture", build.capture(modification("capture", minor=500), SETUP)),
        ("refund", build.refund(modification("refund", minor=500), SETUP)),
    ):
        change = find(fromstring(message), f"modify/orderModification[@orderCode='order-1']/{name}")
        assert change.get("reference") == f"order-1-{name}"
        assert find(change, "amount").get("value") == "500"


def test_a_void_is_a_cancel_of_the_whole_order():
    cancel = fromstring(build.cancel(modification("void"), SETUP)).find("modify/orderModification/cancel")
    assert cancel is not None
    assert list(cancel) == []


@pytest.mark.parametrize(
    ("money", "exponents", "value", "digits"),
    [
        (Money(100, "JPY"), "", "100", "0"),
        (Money(1234, "KWD"), "", "1234", "3"),
        (Money(100050, "HUF"), "", "100050", "2"),
        (Money(100000, "HUF"), "HUF=0 IDR=0", "1000", "0"),
        (Money(1000, "ISK"), "ISK=2", "100000", "2"),
        (Money(9_999_999_999, "JPY"), "JPY=3", "9999999999000", "3"),
    ],
)
def test_the_exponent_is_the_accounts_and_always_sent(money, exponents, value, digits):
    setup = replace(SETUP, exponents=read_exponents(exponents))
    amount = first_message(setup, amount=money).find("submit/order/amount")
    assert (amount.get("value"), amount.get("exponent")) == (value, digits)


def test_an_amount_that_the_account_cannot_express_is_never_rounded():
    setup = replace(SETUP, exponents={"HUF": 0})
    with pytest.raises(ProviderMisconfigured, match="decimals"):
        build.authorisation(authorisation(amount=Money(100050, "HUF")), setup)


@pytest.mark.parametrize("option", ["HUF", "HUF=", "HUF=x", "HUF=1", "HUF=0,IDR=0", "HUF=0 HUF=2"])
def test_an_unreadable_table_of_exponents_is_the_operators_business(option):
    with pytest.raises(ProviderMisconfigured):
        read_exponents(option)


@pytest.mark.parametrize("code", ["", "a b", "a|b", "a<b", "a>b", 'a"b', "a'b", "x" * 65, "a\n", "a\x00"])
def test_order_codes_that_would_not_survive_are_refused(code):
    with pytest.raises(ValueError, match="order code"):
        build.inquiry(code, SETUP)


texts = st.text(st.characters(exclude_categories=[]), max_size=40)


@given(texts, texts, texts, texts)
def test_whatever_comes_from_outside_the_message_stays_well_formed(description, accept, agent, reference):
    browser = replace(BROWSER, accept_header=accept, user_agent=agent, language=reference, time_zone=accept)
    message = first_message(description=description, browser=browser, device_data_reference=reference)
    assert message.find("submit/order/shopper/browser/userAgentHeader") is not None


def grammar(path):
    return etree.DTD(str(path))


@pytest.mark.dtd
@pytest.mark.parametrize(
    "message",
    [
        build.authorisation(authorisation(), SETUP),
        build.authorisation(authorisation(), replace(SETUP, installation_id="1")),
        build.authorisation(
            authorisation(browser=Browser(accept_header="", user_agent="", ip_address=""), shopper_email=""),
            SETUP,
        ),
        build.authorisation(authorisation(browser=replace(BROWSER, ip_address="2001:db8::1")), SETUP),
        build.completion(completion(), SETUP),
        build.capture(modification("capture"), SETUP),
        build.cancel(modification("void"), SETUP),
        build.refund(modification("refund"), SETUP),
        build.inquiry("order-1", SETUP),
    ],
)
def test_worldpays_grammar_accepts_the_message(message, dtd):
    document = etree.fromstring(message, etree.XMLParser(load_dtd=False, no_network=True))
    grammar_of_worldpay = grammar(dtd)
    assert grammar_of_worldpay.validate(document), grammar_of_worldpay.error_log


@pytest.mark.dtd
@pytest.mark.parametrize("preference", build.PREFERENCES)
@pytest.mark.parametrize("window", build.WINDOWS)
def test_worldpays_grammar_knows_every_preference_and_window(preference, window, dtd):
    setup = replace(SETUP, challenge_preference=preference)
    message = build.authorisation(authorisation(challenge_window=window), setup)
    document = etree.fromstring(message, etree.XMLParser(load_dtd=False, no_network=True))
    assert grammar(dtd).validate(document)
