"""docs/command-line.md names every command, and no other."""

import re

import pytest
from django.core.management import get_commands

from checkout.management.commands.gateway import MODULES
from tests.support.program import ROOT

PAGE = (ROOT / "docs" / "command-line.md").read_text()


def test_every_sub_command_of_gateway_is_described():
    assert set(re.findall(r"`gateway ([a-z-]+)", PAGE)) == set(MODULES)


@pytest.mark.parametrize("name", [name for name, app in get_commands().items() if app == "checkout"])
def test_every_command_of_ours_is_named(name: str):
    if name != "migrate":  # a command of Django's, for several databases
        assert re.search(rf"`(?:manage\.py )?{name}\b", PAGE) or f"## manage.py {name}" in PAGE
