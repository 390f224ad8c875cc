"""The README's example runs as written, and a user's own settings reach the demonstration."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from checkout.tryout.demo import Demo
from tests.support.pages import block_of, section_of, text_of
from tests.support.program import ROOT

PAY_WITH_IT = section_of(text_of("README.md"), "Pay with it")
SNIPPET = block_of(PAY_WITH_IT, language="python")


def typed_into_a_shell(text: str, environment: dict[str, str]) -> str:
    """Return the output of ``manage.py shell`` with ``text`` on its standard input."""
    shell = subprocess.run(
        [sys.executable, "manage.py", "shell"],
        cwd=ROOT,
        env=environment,
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    assert shell.returncode == 0, shell.stderr
    return shell.stdout


def page_of(printed: str, url: str) -> str:
    (reference,) = re.findall(r"\bpay_[0-9a-f]{32}\b", printed)
    answer = requests.get(f"{url}/checkout/{reference}/", timeout=20)
    assert answer.status_code == 200
    return answer.text


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_payment_is_created_beside_the_demonstration_and_paid_on_its_page(demo):
    told = demo.folder.with_suffix(".log").read_text()
    (address,) = re.findall(r"^manage.py +(DATABASE_URL=\S+)$", told, re.M)
    name, _, value = address.partition("=")
    # The demonstration's port is not the one in the README.
    snippet = SNIPPET.replace("http://localhost:8000", demo.url)
    printed = typed_into_a_shell(snippet, {**os.environ, "BROKER_URL": "memory://", name: value})
    assert "12.50" in page_of(printed, demo.url)


def test_the_readme_names_the_database_of_the_demonstration():
    demo = Demo(folder=ROOT / ".local" / "demo", root=ROOT)
    named = re.search(r"DATABASE_URL=sqlite:///(\S+)", PAY_WITH_IT)
    assert named
    assert f"sqlite:///{ROOT / named[1]}" == demo.environment["DATABASE_URL"]


def test_settings_reach_the_demonstration_except_those_of_another_provider_database_or_broker(monkeypatch):
    given = {
        "CHECKOUT_REPLY_BUDGET_SECONDS": "0.5",
        "CHECKOUT_SETTLING_SECONDS": "5",
        "CHECKOUT_TRY_OUT": "false",
        "CHECKOUT_PROVIDER_CREDENTIALS": '{"live": {"password": "secret"}}',
        "SANDBOX_URL": "http://127.0.0.1:9",
        "DATABASE_URL": "postgres://live",
        "BROKER_URL": "amqp://live",
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    environment = Demo(folder=Path("/data"), root=ROOT).environment
    assert environment["CHECKOUT_REPLY_BUDGET_SECONDS"] == "0.5"
    assert environment["CHECKOUT_SETTLING_SECONDS"] == "5"
    assert environment["CHECKOUT_TRY_OUT"] == "true"
    assert "CHECKOUT_PROVIDER_CREDENTIALS" not in environment
    assert {environment[name] for name in ("SANDBOX_URL", "DATABASE_URL", "BROKER_URL")} == {
        "http://127.0.0.1:8001",
        "sqlite:////data/gateway.sqlite3",
        "memory://",
    }
