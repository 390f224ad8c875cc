"""A command's way to a provider and back is read in one direction, through at most six files."""

import pytest

from checkout.payments.service import service
from tests.support.source import modules_of

SERVICE = "checkout.payments.service"
CALL = f"{SERVICE}.provider_call"
WORLDPAY = "checkout.payments.providers.worldpay_wpg"
# After the handler, in the order in which a command passes through them.
LEG = (
    CALL,
    f"{WORLDPAY}.provider",
    f"{WORLDPAY}.build",
    "checkout.payments.providers.transport",
    f"{WORLDPAY}.parse",
)

MODULES = {module.name: module for module in modules_of("checkout")}
# A handler that runs in one transaction makes no provider call in it.
CALLING = {type: handler for type, handler in service.commands.items() if not handler.transactional}
HANDLERS = {handler.function.__module__ for handler in CALLING.values()}


def reached_from(name):
    """Return the modules that this one imports, directly or through others."""
    found: set[str] = set()
    left = [name]
    while left:
        new = (MODULES[left.pop()].imports & MODULES.keys()) - found
        found |= new
        left += new
    return found


@pytest.mark.parametrize("handler", sorted(HANDLERS))
def test_no_module_of_the_leg_imports_one_before_it(handler):
    leg = (handler, *LEG)
    assert len(leg) <= 6
    assert not [
        f"{name} imports {before}"
        for place, name in enumerate(leg)
        for before in reached_from(name).intersection(leg[:place])
    ]


def test_every_command_that_is_not_one_transaction_is_a_provider_call():
    assert len(CALLING) == 11
    assert not [name for name in HANDLERS if CALL not in MODULES[name].imports]


def test_only_the_provider_call_asks_a_provider():
    registry = "checkout.payments.providers.registry"
    users = {name for name, module in MODULES.items() if registry in module.imports}
    assert {name for name in users if name.startswith(SERVICE)} == {CALL}
