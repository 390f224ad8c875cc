"""The options of a Worldpay account: the values that staff may enter, and their meaning."""

from typing import Any

import pytest

from checkout.errors import ProviderMisconfigured
from checkout.payments.providers.base import Account
from checkout.payments.providers.worldpay_wpg.account import WorldpayAccount, account_errors

ENDPOINT = "https://secure.worldpay.com/jsp/merchant/xml/paymentService.jsp"
DIGEST = f"sha384-{64 * 'a'}"
SWITCHES = (
    "captures_with_authorisation",
    "lists_orders",
    "refuses_failed_authentication",
    "saved_cards",
    "saves_without_challenge",
)
RIGHT: dict[str, Any] = {
    "device_data_url": "https://secure.worldpay.com/ddc.html",
    "challenge_url": "https://secure.worldpay.com/challenge.html",
    "encryption_script_url": "https://secure.worldpay.com/cse.js",
    "encryption_script_integrity": f"{DIGEST} sha256-{43 * '/'}= sha512-{86 * '+'}==",
    "encryption_public_key": "1#10001#ff",
    "exponents": "HUF=0 IDR=0",
    "challenge_preference": "dataOnly",
    "installation_id": "I.1_2:3-4",
    "idempotency_keys": "uuid",
}


@pytest.fixture(autouse=True)
def _production(settings):
    settings.CHECKOUT_TRY_OUT = False
    settings.CHECKOUT_PROVIDER_HOSTS = ["secure.worldpay.com"]


def worldpay(credentials=None, merchant_code="TEAPOTS", **options):
    return WorldpayAccount(
        Account(
            code="teapots",
            provider="worldpay_wpg",
            merchant_code=merchant_code,
            endpoint=ENDPOINT,
            credentials=credentials or {},
            options=options,
        )
    )


@pytest.mark.parametrize(
    "options",
    [
        {},
        RIGHT,
        dict.fromkeys(SWITCHES, "yes") | {"captures_with_authorisation": "no"},
        dict.fromkeys(SWITCHES, "no"),
        dict.fromkeys((*SWITCHES, *RIGHT), "")
        | {"challenge_preference": "noPreference", "idempotency_keys": "off"},
    ],
)
def test_right_options_have_no_fault(options):
    assert list(account_errors(ENDPOINT, options)) == []


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        *((name, "https://elsewhere.example/", "elsewhere.example") for name in list(RIGHT)[:3]),
        *((name, value, "yes or no") for name in SWITCHES for value in ("Yes", "true", True, None)),
        ("encryption_script_integrity", f"{DIGEST[:-1]}\N{LATIN SMALL LETTER E WITH ACUTE}", "digest"),
        ("encryption_script_integrity", f"{DIGEST},{DIGEST}", "digest"),
        ("encryption_script_integrity", ["x"], "digest"),
        ("encryption_public_key", 5, "a text"),
        ("installation_id", 5, "a text"),
        ("installation_id", "I 1", "letters, digits"),
        ("challenge_preference", "", "one of noPreference"),
        ("challenge_preference", "always", "one of noPreference"),
        ("idempotency_keys", "", "one of off"),
        ("exponents", "HUF=1", "HUF=1"),
        ("exponents", {"HUF": 0}, "a text"),
    ],
)
def test_a_wrong_option_is_named_and_no_other(name, value, said):
    [(field, fault)] = account_errors(ENDPOINT, RIGHT | {name: value})
    assert field == "options"
    assert said in fault
    assert name in fault


def test_an_account_that_refuses_failed_authentications_does_not_capture_at_once():
    both = {"captures_with_authorisation": "yes", "refuses_failed_authentication": "yes"}
    [(field, fault)] = account_errors(ENDPOINT, RIGHT | both)
    assert field == "options"
    assert all(name in fault for name in both)


def test_a_wrong_endpoint_is_named():
    [(field, fault)] = account_errors("http://secure.worldpay.com/", RIGHT)
    assert (field, "is not https" in fault) == ("endpoint", True)


@pytest.mark.parametrize(
    ("name", "is_used"),
    [
        ("captures_with_authorisation", lambda account: account.captures_with_authorisation),
        ("lists_orders", lambda account: account.lists_orders),
        ("refuses_failed_authentication", lambda account: account.refuses_failed_authentication),
        ("saved_cards", lambda account: account.saves_cards),
        ("saves_without_challenge", lambda account: account.setup.saves_without_challenge),
    ],
)
def test_a_service_is_used_only_if_the_option_says_yes(name, is_used):
    assert is_used(worldpay(**{name: "yes"})) is True
    for value in ("no", "", "true"):
        assert is_used(worldpay(**{name: value})) is False
    assert is_used(worldpay()) is False


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"challenge_preference": "always"}, "challenge_preference"),
        ({"installation_id": "I 1"}, "installation_id"),
        ({"merchant_code": "TEA POTS"}, "merchant code"),
        ({"exponents": "HUF=1"}, "HUF=1"),
    ],
)
def test_what_was_written_past_the_form_is_the_operators_business_when_it_is_used(changes, said):
    with pytest.raises(ProviderMisconfigured, match=said):
        _ = worldpay(**changes).setup


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "encryption_script_url"),
        ({"encryption_script_url": "https://elsewhere.example/cse.js"}, "elsewhere.example"),
        (
            {"encryption_script_url": RIGHT["encryption_script_url"], "encryption_script_integrity": "md5-x"},
            "encryption_script_integrity",
        ),
    ],
)
def test_a_page_loads_no_script_from_elsewhere_or_without_its_digest(options, said):
    with pytest.raises(ProviderMisconfigured, match=said):
        _ = worldpay(**options).card_encryption


def test_the_key_of_a_request_that_is_sent_again_is_always_the_same():
    told = worldpay(idempotency_keys="uuid").idempotency_headers("order-1:authorise")
    assert told == {"Idempotency-Key": "01f1524f-d4c6-5d3f-9d3d-d7643dcc591b"}
    assert worldpay(idempotency_keys="on").idempotency_headers("k") == {"Idempotency-Key": "k"}
    assert worldpay().idempotency_headers("k") == {}


def test_the_user_what_is_part_of_the_merchant_code_and_what_is_short_is_no_secret():
    credentials = {
        "user": "a-long-user-name",
        "password": "12345678",
        "mac_key": "1234567",
        "issuer": "THE-TEAPOTS",
    }
    assert worldpay(credentials, "OF-THE-TEAPOTS").secrets == {"12345678"}
    assert worldpay(credentials).secrets == {"12345678", "THE-TEAPOTS"}
