"""Secrets in files: the file that a variable with _FILE names is read, or refused in one sentence."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.installation.test_wrong_settings import CARD_KEY, KEY, PASSWORD, PRODUCTION
from tests.support.program import ROOT

SECRETS = {
    "SECRET_KEY": KEY,
    "SECRET_KEY_FALLBACKS": f"{KEY[::-1]},{KEY[::-1]}1",
    "DATABASE_URL": PRODUCTION["DATABASE_URL"],
    "BROKER_URL": PRODUCTION["BROKER_URL"],
    "CHECKOUT_CARD_KEYS": CARD_KEY,
    "CHECKOUT_ADMIN_PASSWORD": PASSWORD,
    "CHECKOUT_PROVIDER_CREDENTIALS": '{"acme": {"user": "a", "password": "b"}}',
    "EMAIL_URL": f"smtps://payments:{PASSWORD}@mail.example",
}
SHOW = """
from django.conf import settings
print(settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS, settings.DATABASES["default"]["PASSWORD"])
print(settings.BROKER_URL, settings.CHECKOUT_CARD_KEYS, settings.CHECKOUT_ADMIN_PASSWORD)
print(settings.CHECKOUT_PROVIDER_CREDENTIALS, settings.EMAIL_HOST_PASSWORD)
"""


def shown(**variables: str) -> "subprocess.CompletedProcess[str]":
    """Run a process that shows its secrets, with these variables beside those of production."""
    given = {name: value for name, value in PRODUCTION.items() if f"{name}_FILE" not in variables}
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [sys.executable, "manage.py", "shell", "--no-imports", "--command", SHOW],
        cwd=ROOT,
        env={**inherited, **given, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def kept(folder: Path, name: str, text: str) -> str:
    file = folder / name
    file.touch(mode=0o400)
    file.chmod(0o600)
    file.write_text(text)
    file.chmod(0o400)
    return str(file)


def test_every_secret_may_be_in_a_file_whose_last_line_end_does_not_count(tmp_path: Path):
    files = {f"{name}_FILE": kept(tmp_path, name, f"{text}\n") for name, text in SECRETS.items()}
    from_files, from_variables = shown(**files), shown(**SECRETS)
    assert from_files.returncode == 0, from_files.stderr
    assert from_files.stdout == from_variables.stdout
    assert KEY in from_files.stdout


@pytest.mark.parametrize(
    ("mode", "told"),
    [(0o644, "which every user may read: chmod o= "), (0o604, "chmod o= "), (None, "there is no such file")],
)
def test_a_file_that_cannot_be_trusted_is_refused_in_one_line(tmp_path: Path, mode: int | None, told: str):
    file = tmp_path / "secret"
    if mode is not None:
        file.write_text(KEY)
        file.chmod(mode)
    refused = shown(SECRET_KEY_FILE=str(file))
    assert refused.returncode != 0
    [line] = [line for line in refused.stderr.splitlines() if line.startswith("SECRET_KEY_FILE")]
    assert told in line
    assert str(file) in line
    assert KEY not in refused.stderr


def test_a_secret_is_given_once(tmp_path: Path):
    file = kept(tmp_path, "key", KEY)
    refused = shown(SECRET_KEY_FILE=file, SECRET_KEY=KEY)
    assert refused.stderr.splitlines() == [
        "SECRET_KEY_FILE is set, and so is SECRET_KEY: leave one of them out"
    ]


def test_what_is_wrong_in_a_file_is_named_as_in_a_variable(tmp_path: Path):
    file = kept(tmp_path, "credentials", '{"acme": swordfish}')
    [line] = shown(CHECKOUT_PROVIDER_CREDENTIALS_FILE=file).stderr.splitlines()
    assert line.startswith("CHECKOUT_PROVIDER_CREDENTIALS")
    assert "is no JSON" in line
    assert "swordfish" not in line


def test_a_misspelled_variable_of_a_file_is_named(tmp_path: Path):
    file = kept(tmp_path, "keys", CARD_KEY)
    [line] = shown(CHECKOUT_CARD_KEY_FILE=file).stderr.splitlines()
    assert line.endswith("Did you mean CHECKOUT_CARD_KEYS_FILE?")
