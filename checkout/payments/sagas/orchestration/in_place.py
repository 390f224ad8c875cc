"""Services whose commands are carried out in the saga's transaction, instead of in their own process.

``CHECKOUT_IN_PLACE`` selects these services when the checkout service starts. Sagas behave the same either
way: their steps are recorded, and an answer moves a saga on as a reply does.
"""

from collections.abc import Iterable
from typing import Any

from checkout.messages import Command
from checkout.payments.sagas.definition import Ask
from checkout.service import Service
from messaging.envelope import Reply
from messaging.worker import in_place
from messaging.worker.service import Message

_services: dict[str, Service] = {}


def choose(services: Iterable[Service]) -> None:
    """Carry out the commands of these services, and of no others, in place from now on."""
    _services.clear()
    _services.update({service.name: service for service in services})


def answers(ask: Ask) -> bool:
    """Return True if a question is answered in place. A question with a delay is always sent."""
    return not ask.delay_seconds and ask.command.address[0] in _services


def reply_to(command: Command[Any], message: Message) -> Reply | None:
    """Return the reply of the command's service; None if the service does not work in place."""
    name, type = command.address
    service = _services.get(name)
    return None if service is None else in_place.carry_out(service, type, command, message)


def is_done(command: Command[Any], message: Message) -> bool:
    """Return True if a command that nobody waits for was carried out in place.

    Otherwise it has to be sent, because its service does not work in place, or has rejected it. After a
    rejection, the service's own process tries again, or makes a dead letter of the command.
    """
    reply = reply_to(command, message)
    return reply is not None and reply.ok
