"""Commands say in a line that the database is away, without a traceback."""

import os
import sys

import pytest

from tests.support.databases import NOWHERE
from tests.support.program import run


@pytest.mark.parametrize(
    "arguments",
    [
        ("migrate",),
        ("gateway", "dead-letters", "list"),
        ("gateway", "erase", "pay_1", "--by", "ada", "--reason", "asked for"),
        ("gateway", "after-restore", "--moment", "2026-01-01"),
    ],
)
def test_a_command_says_that_the_database_is_away(arguments):
    settings = {"DJANGO_SETTINGS_MODULE": "payments_gateway.settings", "DATABASE_URL": NOWHERE}
    result = run([sys.executable, "manage.py", *arguments], {**os.environ, **settings})
    assert result.returncode == 1
    assert "CommandError: The database " in result.stderr
    assert "Traceback" not in result.stderr
