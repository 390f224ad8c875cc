"""The management command that starts the sandbox."""

import pytest
from django.core.management import CommandError, call_command


def test_it_refuses_to_start_where_debug_is_off(settings):
    settings.DEBUG = False
    with pytest.raises(CommandError, match="development tool"):
        call_command("run_sandbox")
