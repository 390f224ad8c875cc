"""Commands in a pipe, and in a terminal without UTF-8; the version."""

import os
import subprocess
import sys

import pytest

from checkout.version import VERSION
from tests.support.program import ROOT, run

pytestmark = pytest.mark.slow
SETTINGS = {
    **os.environ,
    "DJANGO_SETTINGS_MODULE": "payments_gateway.settings",
    "DATABASE_URL": "sqlite://",
    "BROKER_URL": "memory://",
}
USERS = (sys.executable, "manage.py", "broker_users", "--vhost", "x")


def test_a_reader_that_has_read_enough_gets_no_traceback():
    reading, writing = os.pipe()
    os.close(reading)
    try:
        ended = subprocess.run(
            USERS, cwd=ROOT, env=SETTINGS, stdout=writing, stderr=subprocess.PIPE, text=True, check=False
        )
    finally:
        os.close(writing)
    assert (ended.returncode, ended.stderr) == (141, "")


def test_a_process_without_stdin_and_stdout_ends_without_a_traceback():
    ended = subprocess.run(
        ["/bin/sh", "-c", 'exec "$@" <&- >&-', "sh", sys.executable, "manage.py", "migrate", "-v0"],
        cwd=ROOT,
        env=SETTINGS,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_terminal_without_utf_8_shows_an_escape():
    ascii_only = {**SETTINGS, "PYTHONIOENCODING": "ascii"}
    told = run([sys.executable, "manage.py", "gateway", "doctor"], ascii_only)
    assert told.returncode == 1, "nothing is migrated"
    assert r"\u2192 Run manage.py migrate" in told.stdout
    assert not told.stderr


def test_the_version_is_the_gateways_own():
    assert run([sys.executable, "manage.py", "--version"], SETTINGS).stdout == f"{VERSION}\n"
