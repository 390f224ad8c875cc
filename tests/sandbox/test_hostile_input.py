"""Input that no browser and no merchant sends: each gets an answer, and none is an internal error."""

import json
from base64 import urlsafe_b64encode

import pytest
import requests
from joserfc import jwe, jws
from joserfc.jwk import OctKey, RSAKey

from tests.sandbox.merchant import RETURN_URL, device_data_claims, sign, turn

DEEP = b"[" * 90_000
INQUIRY = '<inquiry><orderInquiry orderCode="order-1"/></inquiry>'
ODD_HEADER = b'{"alg":"HS256","crit":1}'
DATE = '<date dayOfMonth="1" month="1" year="{}" hour="{}"/>'
CARD = {"cardHolderName": "Ann", "cardNumber": "4444333322221111", "expiryMonth": "01", "expiryYear": "2039"}


def _encoded(text: bytes) -> str:
    return urlsafe_b64encode(text).rstrip(b"=").decode()


def _challenge(**changes):
    payload = {"ACSUrl": "http://127.0.0.1/", "Payload": "none", "TransactionId": "none"}
    return {
        **device_data_claims(),
        "ReturnUrl": RETURN_URL,
        "ObjectifyPayload": True,
        "Payload": payload,
        **changes,
    }


def _sealed(url, text: bytes) -> str:
    """Return `text` sealed with the sandbox's key, as its script seals a card."""
    _, exponent, modulus = requests.get(f"{url}/worldpay/cse/public-key.txt", timeout=20).text.split("#")
    numbers = {
        name: _encoded(int(digits, 16).to_bytes((len(digits) + 1) // 2))
        for name, digits in (("e", exponent), ("n", modulus))
    }
    key, names = RSAKey.import_key({"kty": "RSA", **numbers}), ["RSA-OAEP-256", "A256GCM"]
    return jwe.encrypt_compact({"alg": names[0], "enc": names[1]}, text, key, algorithms=names)


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/acs/challenge/", {"creq": _encoded(DEEP), "threeDSSessionData": "none"}),
        ("/acs/challenge/decision/", {"acsTransID": "\0", "threeDSSessionData": "\0", "choice": "fail"}),
        ("/worldpay/shopper/3ds/ddc.html", {"Bin": "444433", "JWT": f"{_encoded(DEEP)}.e30.AA"}),
        ("/worldpay/shopper/3ds/ddc.html", {"Bin": "444433", "JWT": f"{_encoded(ODD_HEADER)}.e30.AA"}),
        ("/worldpay/shopper/3ds/challenge.html", {"JWT": sign(_challenge(ReturnUrl="http://["))}),
        ("/worldpay/shopper/3ds/challenge.html", {"JWT": sign(_challenge(ReturnUrl="http://[::1"))}),
    ],
)
def test_a_form_that_nobody_posts_gets_a_page_that_says_so(sandbox, path, fields):
    page = requests.post(f"{sandbox}{path}", fields, timeout=20)
    assert page.status_code == 400
    assert 'role="alert"' in page.text


def test_a_token_that_no_text_can_have_gets_a_page_that_says_so(shopper):
    # JSON can contain half a surrogate pair, which neither a page nor the books can.
    claims = json.dumps(_challenge(ReturnUrl=RETURN_URL + "half"))
    for claim in (claims.replace("half", "\\ud800"), claims.replace('"none"', '"\\ud800"')):
        page = shopper.post("/worldpay/shopper/3ds/challenge.html", JWT=_signed(claim.encode()))
        assert page.status_code == 400, page.text


def _signed(claims: bytes) -> str:
    key = OctKey.import_key("sandbox-mac-key-for-device-data-and-challenges")
    return jws.serialize_compact({"alg": "HS256"}, claims, key)


@pytest.mark.parametrize(
    "card",
    [
        json.dumps(CARD | {"expiryMonth": float("inf")}).encode(),
        json.dumps(CARD | {"expiryYear": "9" * 5_000}).encode(),
        json.dumps(CARD | {"expiryYear": 1e300}).encode(),
        b"\xff",
        b"[]",
    ],
)
def test_sealed_data_that_is_no_card_is_a_payment_details_error(merchant, sandbox, card):
    sealed = f"<CSE-DATA><encryptedData>{_sealed(sandbox, card)}</encryptedData></CSE-DATA>"
    assert merchant.submit("order-1", instrument=sealed).error[0] == "7"


def test_sealed_data_that_is_too_long_cannot_be_opened(merchant, sandbox):
    sealed = f"<CSE-DATA><encryptedData>{_sealed(sandbox, DEEP)}</encryptedData></CSE-DATA>"
    assert merchant.submit("order-1", instrument=sealed).error[0] == "5"


@pytest.mark.parametrize("value", ["9" * 5_000, "0" * 5_000 + "1", "9" * 13, "-1", "1.5", "1e3", "٣"])
def test_an_amount_that_is_none_is_refused(merchant, value):
    assert merchant.submit("order-1", amount=value).error[0] == "3"


@pytest.mark.parametrize("date", [DATE.format("9" * 20, 0), DATE.format(2026, "9" * 20), "<date/>"])
def test_a_search_for_a_date_that_is_none_is_refused(merchant, date):
    search = f"<dateSearch><fromDate>{date}</fromDate><untilDate>{date}</untilDate></dateSearch>"
    assert merchant.post(f"<inquiry><orderInquiry>{search}</orderInquiry></inquiry>").error[0] == "2"


@pytest.mark.parametrize("query", [f"after={9 * 10**20}", f"after=-{9 * 10**20}", "since=nan", "limit=1e99"])
def test_the_books_refuse_a_query_without_a_meaning(sandbox, query):
    answer = requests.get(f"{sandbox}/books.json?{query}", timeout=20)
    assert answer.status_code == 400
    assert answer.json()["errors"]


@pytest.mark.parametrize("scale", ["Infinity", "NaN", "1e-300", "1e300", "0"])
def test_a_clock_keeps_a_speed_that_it_can_have(sandbox, scale):
    answer = requests.post(f"{sandbox}/scenarios/", f'{{"clock_scale": {scale}}}', timeout=20)
    assert answer.status_code == 400
    assert turn(sandbox)["clock_scale"] == 1


def test_another_sites_page_sets_nothing(sandbox):
    """A browser posts any text anywhere for any page, but names the page's site."""
    knob = '{"knob": {"verb": "any", "fault": "503_before"}}'
    address = f"{sandbox}/scenarios/"
    for origin in ("https://elsewhere.example", "null"):
        answer = requests.post(address, knob, headers={"Origin": origin}, timeout=20)
        assert answer.status_code == 403
        assert answer.json()["errors"]
    assert turn(sandbox)["pending_knobs"] == []
    assert requests.post(address, knob, headers={"Origin": sandbox}, timeout=20).status_code == 200


def test_a_proxys_header_does_not_hide_the_connection_that_a_fault_ends(merchant):
    turn(merchant.url, knob={"verb": "any", "fault": "reset_before"})
    with pytest.raises(requests.ConnectionError):
        merchant.post(INQUIRY, headers={"X-Forwarded-For": "10.0.0.1"})
