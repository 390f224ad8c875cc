"""Settings with which a deployment must not start."""

from base64 import b64encode

import pytest
from django.core.checks import run_checks

from checkout.payments.models import Merchant, ProviderAccount


def complaints() -> set[str]:
    found = {str(check.id) for check in run_checks(include_deployment_checks=True)}
    return {name for name in found if name.startswith("checkout.")}


@pytest.fixture(autouse=True)
def _production(settings) -> None:
    settings.BROKER_URL = "amqps://broker.example/"
    settings.MESSAGING_SINGLE_BROKER_USER = False
    settings.PUBLIC_URL = "https://pay.example"
    settings.CHECKOUT_TRY_OUT = False
    settings.CHECKOUT_TRUSTED_PROXIES = "127.0.0.1"
    settings.CHECKOUT_CARD_KEYS = [b64encode(bytes(32)).decode()]
    settings.CHECKOUT_PROVIDER_CREDENTIALS = {
        "acme": {"notification_secret": "kept-between-us_01"},
        "bank": {"notification_user": "the-bank", "notification_password": "kept-between-us_02"},
    }


def test_the_defaults_are_fit_for_production_behind_a_proxy_that_is_named():
    assert complaints() == set()


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("MESSAGING_SINGLE_BROKER_USER", True, "checkout.E010"),
        ("PUBLIC_URL", "http://pay.example", "checkout.E002"),
        ("CHECKOUT_TRY_OUT", True, "checkout.E005"),
        ("CHECKOUT_SETTLING_SECONDS", 60, "checkout.E004"),
        ("CHECKOUT_PROVIDER_TIMEOUTS", {"authorise": 120}, "checkout.E004"),
        ("CHECKOUT_EVENT_SECONDS", 35 * 86_400, "checkout.E022"),
        ("CHECKOUT_RETENTION_SECONDS", 85 * 86_400, "checkout.E022"),
        ("CHECKOUT_CARD_KEYS", [], "checkout.E012"),
        ("CHECKOUT_CARD_KEYS", ["swordfish"], "checkout.E012"),
    ],
)
def test_what_would_hurt_is_refused(settings, name, value, complaint):
    setattr(settings, name, value)
    assert complaints() == {complaint}


@pytest.mark.parametrize(("kept", "events"), [(84, 90), (30, 36), (1, 36)])
def test_events_that_outlive_their_webhooks_are_kept_for_long_enough(settings, kept, events):
    settings.CHECKOUT_RETENTION_SECONDS = kept * 86_400
    settings.CHECKOUT_EVENT_SECONDS = events * 86_400
    assert complaints() == set()


def test_who_has_no_card_key_is_told_how_to_make_one_and_who_needs_it(settings):
    settings.CHECKOUT_CARD_KEYS = []
    [error] = [found for found in run_checks(include_deployment_checks=True) if found.id == "checkout.E012"]
    assert "openssl rand -base64 32" in error.msg
    assert "web and the payments service" in str(error.hint)


@pytest.mark.django_db
def test_accounts_that_lead_elsewhere_are_named():
    merchant = Merchant.objects.create(code="shop", name="The Shop")
    for code, host in [("right", "provider.example"), ("wrong", "evil.example")]:
        ProviderAccount.objects.create(
            merchant=merchant,
            code=code,
            provider="worldpay_wpg",
            merchant_code="SHOP",
            endpoint="https://provider.example/wpg",
            options={"encryption_script_url": f"https://{host}/cse.js"},
        )
    ProviderAccount.objects.create(
        merchant=merchant,
        code="unknown",
        provider="stripes",
        merchant_code="SHOP",
        endpoint="https://a.example/",
    )
    found = run_checks(include_deployment_checks=True, databases=["default"])
    unknown, wrong = [error for error in found if error.id == "checkout.E020"]
    assert "'wrong'" in wrong.msg
    assert "encryption_script_url has the host evil.example" in wrong.msg
    assert "'unknown'" in unknown.msg
    assert complaints() == set(), "no database is asked that was not named"


def test_networks_of_our_own_in_which_a_provider_may_be_are_named(settings):
    settings.CHECKOUT_PROVIDER_NETWORKS = ["10.0.0.0/8"]
    assert complaints() == {"checkout.W020"}


@pytest.mark.parametrize(
    ("host", "trusted"),
    [
        ("0.0.0.0", "127.0.0.1"),
        ("0.0.0.0", "127.0.0.1, ::1"),
        ("10.0.0.7", "127.0.0.0/8"),
        ("::", "127.0.0.1"),
        ("localhost", ""),
        ("0.0.0.0", "nginx"),
        ("0.0.0.0", "10.0.0.1,proxy.internal"),
        ("0.0.0.0", "10.0.0.1/8"),
        ("::1", "127.0.0.1"),
    ],
)
def test_all_shoppers_behind_a_proxy_without_a_name_would_share_one_address(settings, host, trusted):
    settings.CHECKOUT_HOST, settings.CHECKOUT_TRUSTED_PROXIES = host, trusted
    [error] = [found for found in run_checks(include_deployment_checks=True) if found.id == "checkout.E013"]
    assert "all shoppers would share one address" in error.msg
    assert "Set FORWARDED_ALLOW_IPS" in str(error.hint)


@pytest.mark.parametrize(
    ("host", "trusted"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("localhost", "127.0.0.1,::1"),
        ("::1", "::1"),
        ("0.0.0.0", "10.0.0.0/24"),
        ("0.0.0.0", "127.0.0.1, 2001:db8::/64"),
    ],
)
def test_a_proxy_with_a_name_tells_shoppers_apart(settings, host, trusted):
    settings.CHECKOUT_HOST, settings.CHECKOUT_TRUSTED_PROXIES = host, trusted
    assert complaints() == set()


@pytest.mark.parametrize(
    "path",
    [
        "no.such.Captcha",
        "checkout.web.protection.captcha.NoSuchThing",
        "nonsense",
        # A class of something else, and one whose answer cannot be awaited.
        "checkout.rates.RateLimit",
        "tests.support.captchas.Blocking",
    ],
)
def test_a_captcha_that_cannot_be_loaded_is_found_before_an_attack_begins(settings, path):
    settings.CHECKOUT_CAPTCHA = path
    assert complaints() == {"checkout.E011"}


@pytest.mark.parametrize(
    ("credentials", "fault"),
    [
        ({}, "neither notification_secret nor notification_user and notification_password"),
        ({"user": "shop", "password": "swordfish"}, "neither notification_secret nor"),
        ({"notification_secret": "swordfish"}, "shorter than 16 characters"),
        ({"notification_secret": "swordfish" * 30}, "longer than 200"),
        ({"notification_secret": "a secret/with?others#"}, "has others than letters"),
        ({"notification_user": "the-bank"}, "only one of notification_user and notification_password"),
        (
            {"notification_user": "the-bank", "notification_password": "swordfish"},
            "its notification_password is shorter than 16 characters",
        ),
    ],
)
def test_an_account_whose_notifications_anybody_could_send_is_refused(settings, credentials, fault):
    settings.CHECKOUT_PROVIDER_CREDENTIALS = {"acme": credentials}
    [error] = [found for found in run_checks(include_deployment_checks=True) if found.id == "checkout.E007"]
    assert "'acme'" in error.msg
    assert fault in error.msg
    assert "https://pay.example/notifications/acme/<notification_secret>/, or to " in str(error.hint)
    assert "swordfish" not in f"{error.msg} {error.hint}"
