"""Forms and tokens that go to Worldpay through the shopper's browser."""

import time

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey

from checkout.errors import ProviderMisconfigured
from checkout.payments.providers.base import Account, Challenge
from checkout.payments.providers.worldpay_wpg.provider import WorldpayWpg

KEY = "a-mac-key-that-is-long-enough-for-hs256"
CHALLENGE = Challenge(
    version="2.2.0", transaction_id="tx-1", acs_url="https://acs.example/c", payload="eyJhIjoxfQ"
)


def provider(**changes):
    values = {
        "code": "teapots",
        "provider": "worldpay_wpg",
        "merchant_code": "TEAPOTS",
        "endpoint": "https://worldpay.example/",
        "credentials": {"mac_key": KEY, "issuer": "issuer-1", "organisational_unit": "unit-1"},
        "options": {
            "device_data_url": "https://worldpay.example/ddc.html",
            "challenge_url": "https://worldpay.example/challenge.html",
            "encryption_script_url": "https://worldpay.example/cse.js",
            "encryption_public_key": "1#10001#abc",
        },
    }
    return WorldpayWpg(Account(**{**values, **changes}))


def claims_of(token):
    decoded = jwt.decode(token, OctKey.import_key(KEY), algorithms=["HS256"])
    assert decoded.header["alg"] == "HS256"
    return decoded.claims


def test_the_token_for_device_data_has_its_four_claims_and_no_more():
    form = provider().device_data_form()
    assert form.action == "https://worldpay.example/ddc.html"
    assert set(form.fields) == {"JWT"}
    claims = claims_of(form.fields["JWT"])
    assert set(claims) == {"jti", "iat", "iss", "OrgUnitId"}
    assert (claims["iss"], claims["OrgUnitId"]) == ("issuer-1", "unit-1")
    assert 60 <= time.time() - claims["iat"] < 120


def test_the_token_for_the_challenge_names_return_address_and_issuer():
    form = provider().challenge_form(CHALLENGE, return_url="http://shop.example/r/", merchant_data="md")
    assert form.action == "https://worldpay.example/challenge.html"
    assert form.fields["MD"] == "md"
    claims = claims_of(form.fields["JWT"])
    assert set(claims) == {"jti", "iat", "iss", "OrgUnitId", "ReturnUrl", "Payload", "ObjectifyPayload"}
    assert claims["ReturnUrl"] == "http://shop.example/r/"
    assert claims["ObjectifyPayload"] is True
    assert claims["Payload"] == {
        "ACSUrl": "https://acs.example/c",
        "Payload": "eyJhIjoxfQ",
        "TransactionId": "tx-1",
    }


def test_each_token_is_used_once():
    tokens = [claims_of(provider().device_data_form().fields["JWT"])["jti"] for _ in range(2)]
    assert tokens[0] != tokens[1]


def test_the_page_learns_where_to_get_script_and_key():
    encryption = provider().card_encryption()
    assert encryption.script_url == "https://worldpay.example/cse.js"
    assert encryption.public_key == "1#10001#abc"


def test_what_an_account_lacks_is_named():
    with pytest.raises(ProviderMisconfigured, match="encryption_script_url"):
        provider(options={}).card_encryption()
    with pytest.raises(ProviderMisconfigured, match="mac_key"):
        provider(credentials={"issuer": "i", "organisational_unit": "u"}).device_data_form()
