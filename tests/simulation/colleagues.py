"""Services that sometimes answer with a passing error or a malformed reply, as any service may.

A passing error comes instead of the work, a malformed reply after it. A command that expects no reply is
delivered again after a passing error. The payments service is left out: the gateway does not repeat commands
that may have moved money, and the simulated provider has faults of its own.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from checkout.ledger import service as ledger
from checkout.orders import service as orders
from checkout.own.packages import own_services
from checkout.receipts import service as notifications
from checkout.risk import service as risk
from messaging.worker.service import CommandRejected
from tests.simulation.chance import MALFORMED, NONSENSE, PASSING
from tests.simulation.twin import Line


def take_over() -> None:
    """Make the handlers of these services answer in this way now and then."""
    own = (module.service for _, module in own_services())
    for service in (risk.service, orders.service, ledger.service, notifications.service, *own):
        for type, handler in service.commands.items():
            service.commands[type] = replace(handler, function=_undecided_at_times(handler.function))


def _undecided_at_times(function: Callable[..., Any]) -> Callable[..., Any]:
    def handle(command: Any, message: Any) -> Any:
        answer = Line.world.chance.undecided_answer()
        if answer == PASSING:
            raise CommandRejected("busy", "Ask again.", retryable=True)
        result = function(command, message)
        return {NONSENSE: True} if answer == MALFORMED else result

    return handle
