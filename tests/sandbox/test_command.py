"""The management command that starts the sandbox."""

import pytest
from django.core.management import CommandError, call_command


def test_it_refuses_to_start_elsewhere_than_in_a_try_out(settings):
    settings.CHECKOUT_TRY_OUT = False
    with pytest.raises(CommandError, match="development tool"):
        call_command("run_sandbox")
