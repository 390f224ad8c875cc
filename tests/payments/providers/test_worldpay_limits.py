"""The lengths and characters that Worldpay accepts: values are cut, left out, refused, or sent whole."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from defusedxml.ElementTree import fromstring

from checkout.payments.providers.base import Authorisation, OrderCodeNotSendable
from checkout.payments.providers.saved_cards import KeptToken, MerchantInitiated, StoredCard
from checkout.payments.providers.worldpay_wpg import build
from tests.payments.providers.requests_to_make import BROWSER, authorisation, completion, modification

SETUP = build.Setup(merchant_code="TEAPOTS")
NAME = 64 * "c"


def order_of(**changes):
    return fromstring(build.authorisation(authorisation(**changes), SETUP)).find("submit/order")


def browser_of(**changes):
    return order_of(browser=replace(BROWSER, **changes)).find("shopper/browser")


@pytest.mark.parametrize("code", [64 * "c", "pay_0123456789abcdef0123456789abcdef-1", "\N{SNOWMAN}-1"])
def test_order_codes_of_up_to_64_characters_are_sent_as_they_are(code):
    assert order_of(order_code=code, session_id="s").get("orderCode") == code


@pytest.mark.parametrize("code", [65 * "c", "a\x7f", "a\x00"])
def test_longer_ones_and_control_characters_are_refused(code):
    for send in (
        lambda: build.authorisation(authorisation(code, session_id="s"), SETUP),
        lambda: build.completion(completion(code, session_id="s"), SETUP),
        lambda: build.capture(modification("capture", code, reference="r"), SETUP),
        lambda: build.inquiry(code, SETUP),
    ):
        with pytest.raises(OrderCodeNotSendable):
            send()


@pytest.mark.parametrize("session", [65 * "s", "a b", "", "s/1"])
def test_a_session_that_is_no_name_token_is_not_sent(session):
    for send in (
        lambda: build.authorisation(authorisation(session_id=session), SETUP),
        lambda: build.completion(completion(session_id=session), SETUP),
    ):
        with pytest.raises(ValueError, match="name token"):
            send()


def test_descriptions_and_headers_are_cut_after_the_characters_that_xml_does_not_have_were_dropped():
    order = order_of(description="\x00\ufffe\uffff\ud800" + 60 * "é")
    assert order.findtext("description") == 50 * "é"
    browser = browser_of(accept_header=3_000 * "a", user_agent=3_000 * "u")
    assert browser.findtext("acceptHeader") == 2_048 * "a"
    assert browser.findtext("userAgentHeader") == 2_048 * "u"
    assert len(order_of(shopper_email=300 * "m").findtext("shopper/shopperEmailAddress")) == 255


@pytest.mark.parametrize(
    ("given", "sent"), [("-840", "-840"), ("+60", "+60"), ("12345", None), ("CET", None)]
)
def test_a_time_zone_that_is_none_is_left_out(given, sent):
    assert browser_of(time_zone=given).findtext("timeZone") == sent


@pytest.mark.parametrize(
    ("given", "sent"), [(1, "1"), (999_999, "999999"), (0, None), (-1, None), (10**6, None)]
)
def test_a_size_that_no_screen_has_is_left_out(given, sent):
    browser = browser_of(screen_height=given, screen_width=given)
    assert (browser.findtext("browserScreenHeight"), browser.findtext("browserScreenWidth")) == (sent, sent)


def test_without_an_email_address_or_installation_there_is_no_empty_one():
    order = order_of(shopper_email="")
    assert order.find("shopper/shopperEmailAddress") is None
    assert "installationId" not in order.attrib
    named = build.authorisation(authorisation(), replace(SETUP, installation_id="I-1"))
    assert fromstring(named).find("submit/order").get("installationId") == "I-1"


def test_tokens_and_the_names_of_their_customers_are_sent_whole():
    stored = StoredCard(token=64 * "9", shopper=NAME, reason=MerchantInitiated.RECURRING)
    request: Authorisation = authorisation(sealed_card="", stored_card=stored)
    order = fromstring(build.authorisation(request, SETUP)).find("submit/order")
    assert order.findtext("paymentDetails/TOKEN-SSL/paymentTokenID") == 64 * "9"
    assert order.findtext("shopper/authenticatedShopperID") == NAME
    assert order.find("paymentDetails/storedCredentials/schemeTransactionIdentifier") is None
    assert order_of(saves_for=NAME).findtext("shopper/authenticatedShopperID") == NAME
    deletion = fromstring(build.token_deletion(KeptToken(token=64 * "9", shopper=NAME), SETUP))
    assert deletion.findtext("modify/paymentTokenDelete/paymentTokenID") == 64 * "9"
    assert deletion.findtext("modify/paymentTokenDelete/authenticatedShopperID") == NAME


def test_references_and_device_data_lose_what_xml_does_not_have():
    for verb, send in (("capture", build.capture), ("refund", build.refund)):
        sent = fromstring(send(modification(verb, reference="r\x001"), SETUP))
        assert sent.find(f"modify/orderModification/{verb}").get("reference") == "r1"
    data = order_of(device_data_reference="d\x01" + 300 * "d").find("additional3DSData")
    assert data.get("dfReferenceId") == 200 * "d"


def test_a_time_zone_is_sent_only_where_scripts_have_told_it():
    assert browser_of(time_zone="-60", javascript_enabled=False).find("timeZone") is None


def test_a_list_is_asked_for_in_utc():
    tokyo = timezone(timedelta(hours=9))
    since, until = datetime(2027, 1, 1, 8, 30, 5, tzinfo=tokyo), datetime(2027, 1, 1, 9, tzinfo=tokyo)
    search = fromstring(build.listing(since, until, SETUP)).find("inquiry/orderInquiry/dateSearch")
    parts = ("year", "month", "dayOfMonth", "hour", "minute", "second")
    for tag, told in (("fromDate", "2026-12-31-23-30-05"), ("untilDate", "2027-01-01-00-00-00")):
        date = search.find(f"{tag}/date")
        assert "-".join(str(date.get(part)) for part in parts) == told
