"""An installation refuses inconsistent settings and names them, without showing secrets."""

import os
import subprocess
import sys
from base64 import b64encode

import pytest
from django.core import signing
from django.test import RequestFactory
from django.views.debug import ExceptionReporter
from pydantic import ValidationError

from checkout.conf import conf
from payments_gateway.environment import Environment
from payments_gateway.mail_server import mail_server
from tests.support.program import ROOT

PASSWORD = "pa55word-of-the-broker"
PRODUCTION = {
    "DEBUG": "false",
    "CHECKOUT_TRY_OUT": "false",
    "SECRET_KEY": "4nH0e9dPqTzWmYx2LrVuKcJbGs7AfE5tQ1iNoR8wXyZpB6kD",
    "DATABASE_URL": "postgres://payments@database.example/payments",
    "BROKER_URL": "amqps://broker.example/",
}
PUBLIC = {"PUBLIC_URL": "https://pay.example", "ALLOWED_HOSTS": "pay.example"}


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch):
    for name in list(os.environ):
        if name.startswith("CHECKOUT_") or name in (
            "DEBUG",
            "SECRET_KEY",
            "ALLOWED_HOSTS",
            "PUBLIC_URL",
            "HOST",
            "BROKER_URL",
            "FORWARDED_ALLOW_IPS",
        ):
            monkeypatch.delenv(name)


def environment(**variables: str) -> Environment:
    return Environment(**variables)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PUBLIC_URL", "https://pay.example"),
        ("PUBLIC_URL", "http://192.0.2.7:8000"),
        ("ALLOWED_HOSTS", "localhost,pay.example"),
        ("ALLOWED_HOSTS", "*"),
        ("ALLOWED_HOSTS", ".example"),
        ("HOST", "0.0.0.0"),
        ("HOST", "::"),
    ],
)
def test_a_try_out_that_others_could_reach_does_not_start_and_says_what_to_set(name, value):
    with pytest.raises(ValidationError) as refused:
        environment(**{name: value})
    text = str(refused.value)
    assert name in text
    assert all(wanted in text for wanted in ("DEBUG=false", "CHECKOUT_TRY_OUT=false", "SECRET_KEY"))


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.8.8", "[::1]", "shop.localhost"])
def test_a_try_out_serves_any_name_of_this_machine(host):
    assert environment(ALLOWED_HOSTS=host, PUBLIC_URL=f"http://{host}:8000").try_out


def test_production_may_be_reached_by_everybody():
    assert not environment(**PRODUCTION, **PUBLIC, HOST="0.0.0.0").try_out


@pytest.mark.parametrize(
    "safe",
    [
        {"PUBLIC_URL": "http://localhost:8000"},
        {"PUBLIC_URL": "http://127.0.0.1:8000", "FORWARDED_ALLOW_IPS": "127.0.0.1"},
        {**PUBLIC, "FORWARDED_ALLOW_IPS": "10.0.0.0/24,2001:db8::/64"},
    ],
)
def test_production_may_be_tried_on_loopback_or_behind_proxies_with_names(safe):
    assert not environment(**PRODUCTION, **safe).try_out


def test_no_proxy_is_believed_without_a_setting():
    assert environment().forwarded_allow_ips == ""


def test_passwords_of_broker_and_database_are_in_no_representation():
    env = environment(
        BROKER_URL=f"amqp://web:{PASSWORD}@broker/", DATABASE_URL=f"postgres://web:{PASSWORD}@database/web"
    )
    assert PASSWORD not in f"{env!r} {env} {env.model_dump()}"


def test_card_keys_are_checked_at_the_start_and_shown_nowhere():
    first, second = (b64encode(bytes([number]) * 32).decode() for number in (1, 2))
    env = environment(CHECKOUT_CARD_KEYS=f"{first}, {second}")
    assert [key.get_secret_value() for key in env.card_keys] == [first, second]
    assert first not in f"{env!r} {env} {env.model_dump()}"
    with pytest.raises(ValidationError, match="Key 2 of CHECKOUT_CARD_KEYS") as refused:
        environment(CHECKOUT_CARD_KEYS=f"{first},{PASSWORD}")
    assert "openssl rand -base64 32" in str(refused.value)
    assert PASSWORD not in str(refused.value)
    assert first not in str(refused.value)


def test_only_web_and_the_payments_service_are_started_with_the_card_keys():
    lines = (ROOT / "Procfile").read_text().splitlines()
    commands = dict(line.split(": ", 1) for line in lines)
    given = {name for name, command in commands.items() if "env -u CHECKOUT_CARD_KEYS " not in command}
    assert given == {"web", "payments"}


def test_a_wrong_value_is_named_without_showing_it():
    with pytest.raises(ValidationError) as refused:
        environment(CHECKOUT_MAX_HELD=PASSWORD)
    assert PASSWORD not in str(refused.value)


def test_the_page_about_an_exception_shows_no_password(settings):
    settings.DEBUG = True
    settings.BROKER_URL = f"amqp://web:{PASSWORD}@broker/"
    settings.CHANNEL_LAYERS = {"default": {"CONFIG": {"url": settings.BROKER_URL}}}
    try:
        address = settings.BROKER_URL
        raise ValueError(f"cannot connect to {len(address)}")
    except ValueError:
        page = ExceptionReporter(RequestFactory().get("/"), *sys.exc_info()).get_traceback_html()
    assert "cannot connect" in page
    assert PASSWORD not in page


def test_no_log_line_shows_a_password():
    script = f"""
import logging, django
django.setup()
logging.getLogger("pika").error("cannot connect to %s", "amqp://web:{PASSWORD}@broker/%2F")
try:
    raise ValueError("postgres://web:{PASSWORD}@database/web")
except ValueError:
    logging.getLogger("checkout").exception("failed")
"""
    run = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "payments_gateway.settings"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "cannot connect" in run.stderr
    assert PASSWORD not in run.stderr + run.stdout


def test_keys_of_before_are_read_and_what_they_have_signed_is_still_good(settings):
    keys = environment(**PRODUCTION, SECRET_KEY_FALLBACKS="older, oldest").secret_key_fallbacks
    assert [key.get_secret_value() for key in keys] == ["older", "oldest"]
    settings.SECRET_KEY = "older"
    signed = signing.dumps("a session")
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "k" * 50, ["older", "oldest"]
    assert signing.loads(signed) == "a session"
    settings.SECRET_KEY_FALLBACKS = []
    with pytest.raises(signing.BadSignature):
        signing.loads(signed)


def test_keys_of_before_show_nowhere():
    assert "older" not in repr(environment(**PRODUCTION, SECRET_KEY_FALLBACKS="older"))


@pytest.mark.parametrize(
    "host",
    [
        "https://secure.worldpay.com",
        "Secure.worldpay.com",
        "secure.worldpay.com.",
        "*.worldpay.com",
        "secure.worldpay.com/path",
        "secure.worldpay.com; script-src *",
        "secure.worldpay.com:0",
        "user@secure.worldpay.com",
        "127.0.0.1",
        "2130706433",
        "0x7f.0.0.1",
        "[::1]",
    ],
)
def test_what_is_no_host_of_a_provider_is_named_before_anything_starts(host):
    with pytest.raises(ValidationError, match="CHECKOUT_PROVIDER_HOSTS"):
        environment(**PRODUCTION, CHECKOUT_PROVIDER_HOSTS=host)


@pytest.mark.parametrize("limits", ['{"eur": 1000}', '{"bgn": 1}', '{"GBP": 1000, "EURO": 1000}'])
def test_a_limit_that_would_limit_nothing_is_named_before_anything_starts(monkeypatch, limits):
    monkeypatch.setenv("CHECKOUT_RISK_AMOUNT_LIMITS", limits)
    with pytest.raises(ValidationError, match="no currency by ISO 4217 in capital letters"):
        environment()


@pytest.mark.parametrize("for_ever", ["99999999999", "inf", "1e300"])
@pytest.mark.parametrize(
    "name",
    [
        "CHECKOUT_RETENTION_SECONDS",
        "CHECKOUT_EVENT_SECONDS",
        "CHECKOUT_AUTHORISATION_SECONDS",
        "CHECKOUT_ABANDONED_SECONDS",
        "CHECKOUT_SESSION_SECONDS",
        "CHECKOUT_CARD_SECONDS",
        "CHECKOUT_DATABASE_SECONDS",
        "CHECKOUT_OUTBOX_GRACE_SECONDS",
    ],
)
def test_a_time_that_no_calendar_can_add_is_named_before_anything_starts(monkeypatch, name, for_ever):
    """Timers, log-ins and payments would otherwise fail because of it, one after the other."""
    monkeypatch.setenv(name, for_ever)
    with pytest.raises(ValidationError, match=name):
        Environment()


@pytest.mark.parametrize("delays", ["[1, 99999999999]", "[-1]"])
@pytest.mark.parametrize(
    "name", ["CHECKOUT_INQUIRY_DELAYS", "CHECKOUT_RETRY_DELAYS", "CHECKOUT_REPEAT_DELAYS"]
)
def test_a_delay_that_no_calendar_can_add_is_named_too(monkeypatch, name, delays):
    monkeypatch.setenv(name, delays)
    with pytest.raises(ValidationError, match=name):
        Environment()


def test_limits_are_those_of_the_environment_also_for_payments_in_a_currency_that_was_replaced(monkeypatch):
    monkeypatch.setenv("CHECKOUT_RISK_AMOUNT_LIMITS", '{"EUR": 1000, "JPY": 50000, "BGN": 2000}')
    limits = environment().declared()["CHECKOUT_RISK_AMOUNT_LIMITS"]
    assert limits == {"EUR": 1000, "JPY": 50000, "BGN": 2000}


def test_providers_are_those_of_the_environment(settings):
    assert "secure.worldpay.com" in environment(**PRODUCTION).declared()["CHECKOUT_PROVIDER_HOSTS"]
    named = environment(
        **PRODUCTION,
        CHECKOUT_PROVIDER_HOSTS="secure.worldpay.com, pay.example:8443,localhost",
        CHECKOUT_PROVIDER_NETWORKS="10.0.0.0/8, fd00::/8",
    )
    for name in ("CHECKOUT_PROVIDER_HOSTS", "CHECKOUT_PROVIDER_NETWORKS"):
        setattr(settings, name, named.declared()[name])
    assert conf.provider_hosts == ("secure.worldpay.com", "pay.example:8443", "localhost")
    assert conf.provider_networks == ("10.0.0.0/8", "fd00::/8")


@pytest.mark.parametrize("name", ["CHECKOUT_PROVIDER_NETWORKS", "CHECKOUT_WEBHOOK_ALLOWED_NETWORKS"])
@pytest.mark.parametrize("networks", ["10.0.0.1/8", "10.0.0.0/8, example.com", "300.0.0.0/8"])
def test_what_is_no_network_is_named_before_anything_starts(name, networks):
    with pytest.raises(ValidationError, match=name):
        environment(**PRODUCTION, **{name: networks})


def test_a_file_of_authorities_that_is_not_there_is_named_before_anything_starts(tmp_path):
    with pytest.raises(ValidationError, match="CHECKOUT_PROVIDER_CA_FILE"):
        environment(**PRODUCTION, CHECKOUT_PROVIDER_CA_FILE=str(tmp_path / "ca.pem"))


def test_the_mail_server_is_read_from_its_address():
    assert mail_server("smtp+tls://us%40er:p%3Aw@mail.example") == {
        "EMAIL_HOST": "mail.example",
        "EMAIL_PORT": 587,
        "EMAIL_HOST_USER": "us@er",
        "EMAIL_HOST_PASSWORD": "p:w",
        "EMAIL_USE_TLS": True,
        "EMAIL_USE_SSL": False,
    }
    with pytest.raises(ValidationError, match="EMAIL_URL"):
        environment(EMAIL_URL="mail.example")


@pytest.mark.parametrize("sender", ["", "no-reply", "Shop <a@shop.example>, b@shop.example"])
def test_a_sender_in_whose_name_no_e_mail_can_be_sent_is_refused_at_the_start(sender: str):
    with pytest.raises(ValidationError, match="EMAIL_SENDER"):
        environment(EMAIL_SENDER=sender)
    sender = "The Shop <no-reply@shop.example>"
    assert environment(EMAIL_SENDER=sender).email_sender == sender


@pytest.mark.parametrize("sign", "/?#")
def test_a_password_of_the_mail_server_is_neither_taken_for_its_port_nor_shown(sign: str):
    for password in (f"12{sign}34", f"hush{sign}34"):
        with pytest.raises(ValidationError, match="must be written as %2F, %3F or %23") as refusal:
            environment(EMAIL_URL=f"smtp+tls://user:{password}@mail.example")
        assert "hush" not in str(refusal.value)
