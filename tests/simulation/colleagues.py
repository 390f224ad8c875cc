"""Services that answer as a service in any language may: with a passing error, or with a malformed reply.

A passing error comes instead of the work, a malformed reply after it. A command that is told, not asked, is
delivered again after a passing error. The payments service is left out: what
may have moved money is not asked again, and its twin has faults of its own.
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
    """Let the handlers of these services answer like that now and then."""
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
