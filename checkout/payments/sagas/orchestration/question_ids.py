"""The ids of a saga's questions: random correlation ids, by which a reply finds its saga."""

import re
import secrets

from checkout.payments.models import Saga
from messaging.access.participants import registered
from messaging.worker.service import Message, NotEntitled

# The primary keys of a saga and of its parent, and the service that is asked.
_OPENING = re.compile(r"(\d{1,18}):(\d{0,18}):(\w*):", re.ASCII)


def new(saga: Saga, service: str) -> str:
    """Return a new correlation id, which nobody else can guess, for a command to ``service``.

    It is committed with the saga before the command is published, so that a repeated publication has the same
    id. Its last part is 128 random bits: only a program that has read the command can reply with the id.
    """
    return f"{saga.pk}:{saga.parent_id or ''}:{service}:{secrets.token_hex(16)}"


def asker_in(question: str) -> tuple[int, int | None] | None:
    """Return the primary keys of the saga and its parent, with which the id begins; None if it has none.

    Only the saga's row shows if the saga asked this question, and still waits.
    """
    found = _OPENING.match(question)
    return (int(found[1]), int(found[2]) if found[2] else None) if found else None


def require_the_one_asked(message: Message) -> None:
    """Raise NotEntitled if a reply does not come from the service that was asked.

    The correlation id names that service. If somebody altered the id, no saga waits for it, so no check is
    needed.
    """
    table, found = registered(), _OPENING.match(message.correlation_id)
    if table is None or found is None:
        return
    if fault := table.fault_of_reply(message.topology, message.sender, [found[3]]):
        raise NotEntitled(fault)
