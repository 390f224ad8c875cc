"""A line, and no traceback, says that the database is away or an argument wrong."""

import os
import sys

import pytest
from django.core.management import CommandError, call_command

from tests.support.databases import NOWHERE
from tests.support.program import run


@pytest.mark.parametrize(
    "arguments",
    [
        ("migrate",),
        ("gateway", "dead-letters", "list"),
        ("gateway", "erase", "pay_1", "--by", "ada", "--reason", "asked for"),
        ("gateway", "after-restore", "--moment", "2026-01-01T00:00Z"),
    ],
)
def test_a_command_says_that_the_database_is_away(arguments):
    settings = {"DJANGO_SETTINGS_MODULE": "payments_gateway.settings", "DATABASE_URL": NOWHERE}
    result = run([sys.executable, "manage.py", *arguments], {**os.environ, **settings})
    assert result.returncode == 1
    assert "CommandError: The database " in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.django_db
@pytest.mark.parametrize(
    "arguments",
    [
        ("tail", "--payment", "\udcff"),
        ("erase", "\udcff", "--by", "ada", "--reason", "asked for"),
        ("replay", "m", "--by", "ada", "--reason", "f\udcfcr"),
        ("dead-letters", "requeue", "1", "--by", "\udcff"),
    ],
)
def test_an_argument_of_another_encoding_is_refused(arguments):
    with pytest.raises(CommandError, match="is not in UTF-8"):
        call_command("gateway", *arguments)


@pytest.mark.django_db
@pytest.mark.parametrize("moment", ["0001-01-01T00:00Z", "yesterday", "9999-12-31T00:00Z"])
def test_a_moment_of_no_restore_is_refused(moment):
    with pytest.raises(CommandError, match=moment):
        call_command("gateway", "after-restore", "--moment", moment)
