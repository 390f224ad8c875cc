"""No process starts with a wrong setting: one line names the variable and says what to do."""

import os
import subprocess
import sys
from base64 import b64encode
from itertools import cycle

import pytest

from tests.support.program import run

KEY = "4nH0e9dPqTzWmYx2LrVuKcJbGs7AfE5tQ1iNoR8wXyZpB6kD"
CARD_KEY = b64encode(bytes(range(100, 132))).decode()
PASSWORD = "7c1f0e5a9b3d48c6a2e4"
PRODUCTION = {
    "DEBUG": "false",
    "CHECKOUT_TRY_OUT": "false",
    "SECRET_KEY": KEY,
    "ALLOWED_HOSTS": "pay.example",
    "PUBLIC_URL": "https://pay.example",
    "FORWARDED_ALLOW_IPS": "127.0.0.1",
    "DATABASE_URL": f"postgres://payments:{PASSWORD}@127.0.0.1:9/payments",
    "BROKER_URL": f"amqp://checkout.web:{PASSWORD}@127.0.0.1:9/payments",
    "CHECKOUT_CARD_KEYS": CARD_KEY,
}
WEB = ["-m", "uvicorn", "payments_gateway.asgi:application", "--port", "0"]
PROGRAMS = (
    WEB,
    ["manage.py", "run_service", "payments"],
    ["manage.py", "run_relay"],
    ["manage.py", "run_webhooks"],
    ["manage.py", "migrate"],
)
WRONG = [
    ("SECRET_KEY", "", "must be set"),
    ("SECRET_KEY", "4nH0e9dPqTzWmYx2LrVu", "fewer than 40 characters"),
    ("SECRET_KEY", "k" * 50, "can be guessed"),
    ("SECRET_KEY", "abcdefghijklmnopqrst" * 3, "can be guessed"),
    ("SECRET_KEY", "django-insecure-4nH0e9dPqTzWmYx2LrVuKcJbGs7AfE5tQ", "can be guessed"),
    ("SECRET_KEY", "please-change-me-4nH0e9dPqTzWmYx2LrVuKcJbGs7AfE5t", "can be guessed"),
    ("SECRET_KEY", f"{KEY},{KEY[:9]}", "has a comma"),
    ("SECRET_KEY_FALLBACKS", "development-only-key-that-production-refuses-to-start-with", "published key"),
    ("CHECKOUT_CARD_KEYS", b64encode(bytes(32)).decode(), "key 1 can be guessed"),
    ("CHECKOUT_CARD_KEYS", "swordfish", "not 32 bytes in base64"),
    ("CHECKOUT_ADMIN_PASSWORD", "checkout-admin", "the published one"),
    ("CHECKOUT_ADMIN_PASSWORD", "swordfish", "fewer than 12 characters"),
    ("BROKER_URL", "amqp://checkout.web:checkout.web@127.0.0.1/payments", "the user's name as"),
    ("BROKER_URL", "amqp://guest:guest@127.0.0.1/", "fewer than 12 characters"),
    ("BROKER_URL", "broker.example:5672", "no address of a broker"),
    ("BROKER_URL", "", "memory://"),
    ("DATABASE_URL", "postgres://payments:swordfish@127.0.0.1/payments", "fewer than 12 characters"),
    ("DATABASE_URL", "payments", "no address of a database"),
    ("DATABASE_URL", "", "SQLite is for trying out"),
    ("ORDERS_DATABASE_URL", "orders", "no address of a database"),
    (
        "CHECKOUT_PROVIDER_CREDENTIALS",
        '{"acme": {"password": "sandbox-password"}}',
        "sandbox's published one",
    ),
    ("CHECKOUT_PROVIDER_CREDENTIALS", '{"acme": swordfish}', "is no JSON"),
    ("CHECKOUT_PROVIDER_CREDENTIALS", '{"acme": "swordfish"}', "valid dictionary"),
    ("CHECKOUT_CARD_KEY", CARD_KEY, "Did you mean CHECKOUT_CARD_KEYS?"),
    ("CHECKOUT_RETENTION_SECOND", "5", "Did you mean CHECKOUT_RETENTION_SECONDS?"),
    ("CHECKOUT_COLOUR", "blue", "no setting of the gateway"),
    ("ALLOWED_HOSTS", "*", "a client chooses the host"),
    ("ALLOWED_HOSTS", "pay.example,https://pay.example", "no host name"),
    ("ALLOWED_HOSTS", "pay.example,pay.example:443", "no host name"),
    ("ALLOWED_HOSTS", "shop.example", "PUBLIC_URL is at pay.example"),
    ("PUBLIC_URL", "http://pay.example", "not https://"),
    ("PUBLIC_URL", "pay.example", "no address"),
    ("PUBLIC_URL", "https://pay.example/payments", "not below a path"),
    ("CHECKOUT_WEBHOOK_ALLOWED_NETWORKS", "0.0.0.0/0", "every machine that the gateway reaches"),
    ("CHECKOUT_WEBHOOK_ALLOWED_NETWORKS", "128.0.0.0/1", "every machine that the gateway reaches"),
    ("CHECKOUT_WEBHOOK_ALLOWED_NETWORKS", "10.0.0.0/8,2000::/3", "every machine that the gateway reaches"),
    ("CHECKOUT_PROVIDER_NETWORKS", "::/0", "nothing is checked"),
    ("CHECKOUT_PROVIDER_HOSTS", "https://secure.worldpay.com", "no host name"),
    ("CHECKOUT_PROVIDER_CA_FILE", "/nowhere/ca.pem", "no file"),
    ("FORWARDED_ALLOW_IPS", "*", "whatever address it sends"),
    ("FORWARDED_ALLOW_IPS", "0.0.0.0/1", "whatever address it sends"),
    ("CHECKOUT_OWN_APPS", "no_such_package", "no such package"),
    ("CHECKOUT_CRASH_AT", "worker.committed:1", "for tests"),
    ("CHECKOUT_MAX_HELD", "many", "valid integer"),
    ("CHECKOUT_REPLY_BUDGET_SECONDS", "3600", "less than or equal to 60"),
    ("CHECKOUT_RISK_AMOUNT_LIMITS", '{"GBP": -1}', "a limit below 0"),
    ("CHECKOUT_DECLINES_SECONDS", "9999999", "more than CHECKOUT_RETENTION_SECONDS"),
    ("CHECKOUT_CAPTCHA_ALWAYS", "true", "there is no CAPTCHA"),
    ("EMAIL_URL", "mail.example", "smtp://"),
    ("DEBUG", "true", "must be off"),
    ("DEBUG", "perhaps", "valid boolean"),
]


def started(program: list[str], **variables: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return run([sys.executable, *program], {**inherited, **PRODUCTION, **variables})


def test_right_settings_are_taken():
    checked = started(["manage.py", "check"])
    assert checked.returncode == 0, checked.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("program", "wrong"),
    list(zip(cycle(PROGRAMS), WRONG)),
    ids=[f"{number}-{name}" for number, (name, _, _) in enumerate(WRONG, start=1)],
)
def test_a_wrong_setting_stops_the_start_with_one_line_that_names_it(
    program: list[str], wrong: tuple[str, str, str]
):
    name, value, told = wrong
    refused = started(program, **{name: value})
    assert refused.returncode != 0
    [line] = refused.stderr.splitlines()
    assert line.startswith((name, "PUBLIC_URL is at")), line
    assert told in line
    assert not any(secret in refused.stderr for secret in (KEY[:12], PASSWORD, CARD_KEY, "swordfish"))


def test_everything_that_is_wrong_is_named_at_once():
    wrong = {"CHECKOUT_CARD_KEY": CARD_KEY, "ALLOWED_HOSTS": "*", "DEBUG": "true"}
    refused = started(["manage.py", "check"], **wrong)
    assert [line.split()[0] for line in refused.stderr.splitlines()] == [
        "CHECKOUT_CARD_KEY",
        "DEBUG",
        "ALLOWED_HOSTS",
    ]


def test_what_a_try_out_cannot_use_is_told_in_one_line_too():
    refused = started(["manage.py", "check"], CHECKOUT_TRY_OUT="true", ALLOWED_HOSTS="localhost")
    [line] = refused.stderr.splitlines()
    assert line.startswith("PUBLIC_URL is pay.example, and a try-out serves this machine only")


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("CHECKOUT_CARD_KEYS", "", "is not set; `openssl rand -base64 32` makes one"),
        ("CHECKOUT_CAPTCHA", "no.such.Captcha", "cannot be loaded: No module named"),
        ("CHECKOUT_CAPTCHA", "collections.OrderedDict", "a class without a method render"),
        ("BROKER_URL", f"amqp://checkout.relay:{PASSWORD}@127.0.0.1:9/payments", "the user 'checkout.relay'"),
    ],
)
def test_a_web_process_that_lacks_what_it_needs_ends_with_one_line_that_says_so(
    name: str, value: str, told: str
):
    refused = started(WEB, **{name: value})
    assert refused.returncode != 0
    assert "Traceback" not in refused.stderr
    [line] = [line for line in refused.stderr.splitlines() if name in line]
    assert told in line
