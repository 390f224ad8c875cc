"""The management command that starts the sandbox."""

import pytest
from django.core.management import CommandError, call_command


def test_it_refuses_to_start_elsewhere_than_in_a_try_out(settings):
    settings.CHECKOUT_TRY_OUT = False
    with pytest.raises(CommandError, match="development tool"):
        call_command("run_sandbox")


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("SANDBOX_PORT", "eighty", "SANDBOX_PORT: Input should be a valid integer"),
        ("SANDBOX_TRAITS", '{"no_balanc": 1}', "SANDBOX_TRAITS: Input should be 'no_deduplication'"),
        ("SANDBOX_TRAITS", "no_balance", "SANDBOX_TRAITS: not JSON"),
        ("SANDBOX_BOOKS", __file__, "SANDBOX_BOOKS: .* file is not a database"),
        ("SANDBOX_BOOKS", f"{__file__}/books.sqlite3", "SANDBOX_BOOKS: .* cannot be used"),
    ],
)
def test_a_setting_that_cannot_be_is_named(settings, monkeypatch, name, value, text):
    settings.CHECKOUT_TRY_OUT = True
    monkeypatch.setenv(name, value)
    with pytest.raises(CommandError, match=text):
        call_command("run_sandbox")


def test_a_misspelt_setting_is_named(settings, monkeypatch, capsys):
    settings.CHECKOUT_TRY_OUT = True
    monkeypatch.setenv("SANDBOX_SETLE_SECONDS", "0")
    monkeypatch.setenv("SANDBOX_PORT", "eighty")
    with pytest.raises(CommandError, match="SANDBOX_PORT"):
        call_command("run_sandbox")
    assert "SANDBOX_SETLE_SECONDS is not a setting of the sandbox" in capsys.readouterr().err
