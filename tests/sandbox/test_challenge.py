"""From the first message through the issuer's page to the second message."""

import json
import time
from base64 import urlsafe_b64decode

import pytest
import requests

from tests.sandbox.merchant import (
    RETURN_URL,
    Merchant,
    Shopper,
    challenge_claims,
    device_data_claims,
    form_action,
    hidden_fields,
    machine_cookie,
    sign,
)

CHALLENGE_CARD = "4000000000002503"


@pytest.fixture
def challenged(merchant):
    reply = merchant.submit("order-1", number=CHALLENGE_CARD)
    assert reply.root.find(".//challengeRequired") is not None
    return reply


@pytest.mark.parametrize(
    ("choice", "last_event", "result"),
    [
        ("approve", "AUTHORISED", "Cardholder authenticated"),
        ("fail", "REFUSED", "Failed"),
        ("cancel", "REFUSED", "Failed"),
    ],
)
def test_what_the_person_chose_decides_the_second_reply(
    merchant, shopper, challenged, choice, last_event, result
):
    shopper.choose(challenged, choice)
    reply = merchant.complete("order-1", machine_cookie(challenged))
    assert reply.text("lastEvent") == last_event
    assert reply.attribute("ThreeDSecureResult", "description") == result
    assert reply.text("challengeCancelIndicator") == ("01" if choice == "cancel" else None)


@pytest.mark.parametrize(
    ("holder", "last_event", "eci"),
    [
        ("3DS_V2_CHALLENGE_IDENTIFIED", "AUTHORISED", "05"),
        ("3DS_V2_CHALLENGE_NOT_IDENTIFIED", "AUTHORISED", "06"),
        ("3DS_V2_CHALLENGE_VALID_ERROR", "AUTHORISED", "07"),
        ("3DS_V2_CHALLENGE_UNKNOWN_IDENTITY", "REFUSED", None),
    ],
)
def test_the_holder_name_decides_what_an_approval_is_worth(merchant, shopper, holder, last_event, eci):
    first = merchant.submit("order-1", holder)
    shopper.choose(first, "approve")
    reply = merchant.complete("order-1", machine_cookie(first))
    assert (reply.text("lastEvent"), reply.text("eci")) == (last_event, eci)


def test_a_challenge_and_a_refusal_combine(merchant, shopper):
    first = merchant.submit("order-1", "REFUSED51", CHALLENGE_CARD)
    shopper.choose(first, "approve")
    reply = merchant.complete("order-1", machine_cookie(first))
    assert reply.attribute("ISO8583ReturnCode", "code") == "51"
    assert reply.attribute("ThreeDSecureResult", "description") == "Cardholder authenticated"


def test_the_way_back_carries_identifier_and_merchant_data_but_no_result(shopper, challenged):
    page = shopper.choose(challenged, "fail")
    assert form_action(page) == RETURN_URL
    assert hidden_fields(page) == {
        "TransactionId": challenged.text("transactionId3DS"),
        "Response": "",
        "MD": "md value+1/=",
    }


def test_merchant_data_is_escaped_on_its_way_through_the_pages(shopper, challenged):
    page = shopper.start_challenge(challenged, merchant_data='"><script>alert(1)</script>')
    issuer = requests.post(form_action(page), hidden_fields(page), timeout=20)
    answer = shopper.post("/acs/challenge/decision/", **hidden_fields(issuer), choice="approve")
    back = requests.post(form_action(answer), hidden_fields(answer), timeout=20)
    assert "<script>alert" not in back.text
    assert "&quot;&gt;&lt;script&gt;" in back.text


def test_the_issuer_is_asked_with_a_creq_and_answers_with_a_cres(shopper, challenged):
    forwarded = shopper.start_challenge(challenged)
    creq = _decoded(hidden_fields(forwarded)["creq"])
    answer = shopper.post(
        "/acs/challenge/decision/",
        acsTransID=creq["acsTransID"],
        threeDSSessionData=hidden_fields(forwarded)["threeDSSessionData"],
        choice="approve",
    )
    cres = _decoded(hidden_fields(answer)["cres"])
    assert creq["messageType"] == "CReq"
    assert creq["challengeWindowSize"] == "02"
    assert cres["messageType"] == "CRes"
    assert cres["transStatus"] == "Y"
    assert cres["threeDSServerTransID"] == creq["threeDSServerTransID"] == challenged.text("transactionId3DS")


def test_the_first_choice_counts(merchant, shopper, challenged):
    fields = shopper.reach_issuer(challenged)
    first = shopper.post("/acs/challenge/decision/", **fields, choice="fail")
    second = shopper.post("/acs/challenge/decision/", **fields, choice="approve")
    assert hidden_fields(first) == hidden_fields(second)
    assert merchant.complete("order-1", machine_cookie(challenged)).text("lastEvent") == "REFUSED"


def test_an_order_in_its_challenge_cannot_be_found_or_changed(merchant, challenged):
    not_found = ("5", "Could not find payment for order")
    assert merchant.inquire("order-1").error == not_found
    assert merchant.capture("order-1", 1).error == not_found
    assert merchant.cancel("order-1").error == not_found


@pytest.mark.parametrize(
    "cookie", ["", "machine=00000000", "{0}; {0}", "{1}", "{2}", "{0}; {1}", "{1}; x={2}"]
)
def test_the_second_message_needs_each_cookie_exactly_once(merchant, shopper, challenged, cookie):
    shopper.choose(challenged, "approve")
    both = machine_cookie(challenged)
    sent = cookie.format(both, *both.split("; "))
    assert merchant.complete("order-1", "", Cookie=sent).error[0] == "5"
    assert merchant.books("order-1")["authorised"] == 0


def test_the_second_message_needs_the_session_of_the_first(merchant, shopper, challenged):
    shopper.choose(challenged, "approve")
    reply = merchant.complete("order-1", machine_cookie(challenged), session_id="another")
    assert reply.error[0] == "7"
    assert merchant.books("order-1")["authorised"] == 0


def test_a_completed_authentication_cannot_be_completed_again(merchant, shopper, challenged):
    shopper.choose(challenged, "approve")
    merchant.complete("order-1", machine_cookie(challenged))
    assert merchant.complete("order-1", machine_cookie(challenged)).error[0] == "7"
    assert merchant.books("order-1")["authorised"] == 1050


def test_a_second_message_for_an_unknown_order_is_refused(merchant):
    assert merchant.complete("nowhere", "machine=1").error == ("5", "Could not find payment for order")


def test_an_unanswered_challenge_is_asked_once_more_and_then_refused(merchant, challenged):
    again = merchant.complete("order-1", machine_cookie(challenged))
    assert again.text("transactionId3DS") not in {None, challenged.text("transactionId3DS")}
    assert machine_cookie(again) != machine_cookie(challenged)
    last = merchant.complete("order-1", machine_cookie(again))
    assert last.text("lastEvent") == "REFUSED"
    assert last.text("transactionStatusReason") == "19"


def test_the_new_cookie_replaces_the_old_one_when_asked_again(merchant, shopper, challenged):
    again = merchant.complete("order-1", machine_cookie(challenged))
    shopper.choose(again, "approve")
    assert merchant.complete("order-1", machine_cookie(challenged)).error[0] == "5"
    assert merchant.complete("order-1", machine_cookie(again)).text("lastEvent") == "AUTHORISED"


def test_a_challenge_that_took_too_long_is_refused(sandbox_of):
    with sandbox_of(challenge_seconds=0) as url:
        merchant, shopper = Merchant(url), Shopper(url)
        first = merchant.submit("order-1", number=CHALLENGE_CARD)
        forwarded = shopper.start_challenge(first)
        issuer = requests.post(form_action(forwarded), hidden_fields(forwarded), timeout=20)
        assert _decoded(hidden_fields(issuer)["cres"])["transStatus"] == "N"
        reply = merchant.complete("order-1", machine_cookie(first))
    assert reply.text("lastEvent") == "REFUSED"
    assert reply.text("transactionStatusReason") == "14"


@pytest.mark.parametrize(
    "change",
    [
        {"iss": "other"},
        {"OrgUnitId": "other"},
        {"jti": 7},
        {"iat": int(time.time()) + 3600},
        {"iat": int(time.time()) - 3 * 3600},
        {"iat": "soon"},
        {"exp": int(time.time()) - 1},
        {"surprise": "claim"},
        {"ReturnUrl": "javascript:alert(1)"},
        {"ReturnUrl": "/relative"},
        {"ObjectifyPayload": False},
        {"Payload": "text"},
        {"Payload": {"ACSUrl": "x", "Payload": "y", "TransactionId": "z"}},
    ],
)
def test_a_challenge_token_with_a_wrong_claim_is_refused(shopper, challenged, change):
    token = sign({**challenge_claims(challenged), **change})
    page = shopper.post("/worldpay/shopper/3ds/challenge.html", JWT=token, MD="")
    assert page.status_code == 400


@pytest.mark.parametrize(
    "claim", ["jti", "iat", "iss", "OrgUnitId", "ReturnUrl", "Payload", "ObjectifyPayload"]
)
def test_a_challenge_token_needs_every_claim(shopper, challenged, claim):
    claims = challenge_claims(challenged)
    del claims[claim]
    page = shopper.post("/worldpay/shopper/3ds/challenge.html", JWT=sign(claims), MD="")
    assert page.status_code == 400


def test_a_token_signed_with_another_key_is_refused(shopper, challenged):
    token = sign(challenge_claims(challenged), key="another-key-that-is-long-enough")
    assert shopper.post("/worldpay/shopper/3ds/challenge.html", JWT=token, MD="").status_code == 400


def test_merchant_data_has_a_limit(shopper, challenged):
    assert shopper.start_challenge(challenged, merchant_data="x" * 1025).status_code == 400


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/acs/challenge/", {}),
        ("/acs/challenge/", {"creq": "%%%", "threeDSSessionData": "x"}),
        ("/acs/challenge/decision/", {"choice": "approve", "acsTransID": "x", "threeDSSessionData": "y"}),
        ("/worldpay/shopper/3ds/return.html", {"cres": "", "threeDSSessionData": "x"}),
        ("/worldpay/shopper/3ds/challenge.html", {"JWT": "not a token"}),
    ],
)
def test_forged_forms_get_a_clear_page(shopper, path, fields):
    page = shopper.post(path, **fields)
    assert page.status_code == 400
    assert 'role="alert"' in page.text


def test_device_data_are_answered_with_a_session_for_the_parent_window(shopper):
    page = shopper.post("/worldpay/shopper/3ds/ddc.html", Bin="444433", JWT=sign(device_data_claims()))
    assert page.status_code == 200
    message = json.loads(page.text.partition('data-message="')[2].partition('"')[0].replace("&quot;", '"'))
    assert message["MessageType"] == "profile.completed"
    assert message["Status"] is True
    assert message["SessionId"]


@pytest.mark.parametrize("change", [{"ReturnUrl": RETURN_URL}, {"iss": "other"}])
def test_a_device_data_token_with_a_wrong_claim_is_refused(shopper, change):
    token = sign({**device_data_claims(), **change})
    assert shopper.post("/worldpay/shopper/3ds/ddc.html", Bin="444433", JWT=token).status_code == 400


@pytest.mark.parametrize("digits", ["", "44443", "abcdef", "4" * 20])
def test_device_data_need_a_card_number_or_its_beginning(shopper, digits):
    token = sign(device_data_claims())
    assert shopper.post("/worldpay/shopper/3ds/ddc.html", Bin=digits, JWT=token).status_code == 400


def _decoded(text: str) -> dict[str, str]:
    return json.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4)))


@pytest.mark.parametrize(
    ("preference", "holder", "is_challenged"),
    [
        ("challengeMandated", "A. Shopper", True),
        ("noPreference", "A. Shopper", False),
        ("challengeMandated", "3DS_V2_FRICTIONLESS_VALID_ERROR", False),
    ],
)
def test_a_merchant_that_mandates_a_challenge_gets_one_from_an_issuer_that_can(
    merchant, shopper, preference, holder, is_challenged
):
    reply = merchant.submit("order-1", holder, preference=preference)
    assert (reply.root.find(".//challengeRequired") is not None) == is_challenged
    if is_challenged:
        shopper.choose(reply, "approve")
        assert merchant.complete("order-1", machine_cookie(reply)).text("lastEvent") == "AUTHORISED"
