"""All commands by their type on the wire.

``python -m scripts.asyncapi`` describes the messages in this table. Tests compare the table with the
services' handlers.
"""

from collections.abc import Mapping
from types import ModuleType
from typing import Any

from checkout.ledger import messages as ledger
from checkout.messages import Command
from checkout.orders import messages as orders
from checkout.payments import checkout_messages, messages as payments
from checkout.receipts import messages as receipts
from checkout.risk import messages as risk


def _commands_in(module: ModuleType) -> list[type[Command[Any]]]:
    return [
        each
        for each in vars(module).values()
        if isinstance(each, type) and issubclass(each, Command) and each is not Command
    ]


COMMANDS: Mapping[str, type[Command[Any]]] = {
    command.to: command
    for module in (checkout_messages, risk, orders, payments, ledger, receipts)
    for command in _commands_in(module)
}
