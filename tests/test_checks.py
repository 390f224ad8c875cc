"""What a deployment must not be started with."""

import pytest
from django.core.checks import run_checks
from pydantic import SecretStr, ValidationError

from payments_gateway.environment import DEVELOPMENT_KEY, Environment


def complaints() -> set[str]:
    found = {str(check.id) for check in run_checks(include_deployment_checks=True)}
    return {name for name in found if name.startswith("checkout.")}


@pytest.fixture(autouse=True)
def _production(settings) -> None:
    settings.BROKER_URL = "amqps://broker.example/"
    settings.PUBLIC_URL = "https://pay.example"
    settings.CHECKOUT_TRY_OUT = False


def test_settings_that_are_wrong_are_named_without_the_secrets_among_them(monkeypatch):
    monkeypatch.setenv("DEBUG", "false")
    monkeypatch.delenv("CHECKOUT_TRY_OUT", raising=False)
    monkeypatch.setenv("CHECKOUT_PROVIDER_CREDENTIALS", '{"acme": {"password": "swordfish"}}')
    with pytest.raises(ValidationError, match="SECRET_KEY must be set") as refused:
        Environment(SECRET_KEY=SecretStr(DEVELOPMENT_KEY))
    assert "swordfish" not in str(refused.value)


def test_pages_for_developers_which_show_what_was_posted_are_for_try_outs_only(monkeypatch):
    monkeypatch.delenv("DEBUG", raising=False)
    monkeypatch.setenv("CHECKOUT_TRY_OUT", "false")
    with pytest.raises(ValidationError, match="DEBUG must be off"):
        Environment(SECRET_KEY=SecretStr("of-its-own"))
    assert not Environment(SECRET_KEY=SecretStr("of-its-own"), DEBUG=False).debug


def test_the_defaults_are_fit_for_production():
    assert complaints() == set()


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("BROKER_URL", "memory://", "checkout.E001"),
        ("PUBLIC_URL", "http://pay.example", "checkout.E002"),
        ("CHECKOUT_TRY_OUT", True, "checkout.E005"),
        ("CHECKOUT_CRASH_AT", "worker.committed:1", "checkout.E003"),
        ("CHECKOUT_SETTLING_SECONDS", 60, "checkout.E004"),
        ("CHECKOUT_PROVIDER_TIMEOUTS", {"authorise": 120}, "checkout.E004"),
    ],
)
def test_what_would_hurt_is_refused(settings, name, value, complaint):
    setattr(settings, name, value)
    assert complaints() == {complaint}


@pytest.mark.parametrize(
    ("trusted", "expected"),
    [("*", {"checkout.E006"}), ("192.0.2.1,*", {"checkout.E006"}), ("192.0.2.1", set())],
)
def test_a_proxy_that_is_believed_has_a_name(monkeypatch, trusted, expected):
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", trusted)
    assert complaints() == expected
