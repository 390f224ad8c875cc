"""Carry out the decision of staff on a matter: check it, change our books, signal the sagas.

Our books are changed in the orchestrator's transaction, and not by a command to the payments service. So
three things are committed together: the check that nothing has changed since staff looked, the changes of our
books, and the next step of each saga. If a copy of the decision is delivered late, it finds another state and
changes nothing. With a command to another service, a late or repeated copy could mark a request as not sent
that has been sent again meanwhile.
"""

from collections.abc import Mapping
from typing import Any

import structlog

from checkout.payments.checkout_messages import ClaimFound, FiguresFound, Found, OperationFound, SettleBooks
from checkout.payments.models import Fact
from checkout.payments.sagas.settlement.claim import ClaimMatter
from checkout.payments.sagas.settlement.matter import Matter
from checkout.payments.sagas.settlement.operation import OperationMatter
from checkout.payments.sagas.settlement.payment import FiguresMatter
from checkout.states import Actor
from messaging.compiled_queries import insert_in_batch
from messaging.worker.service import CommandRejected, Message

log = structlog.get_logger(__name__)

MATTERS: Mapping[type[Found], Any] = {
    OperationFound: OperationMatter,
    ClaimFound: ClaimMatter,
    FiguresFound: FiguresMatter,
}


def locked_matter(found: Found) -> Matter | None:
    """Return the matter that staff decided, with its rows under lock; None if there is none."""
    matter: Matter | None = MATTERS[type(found)].locked(found)
    return matter


def settle(command: SettleBooks, message: Message) -> None:
    """Carry out staff's decision. If anything has changed since they looked, only record a fact."""
    matter = locked_matter(command.found)
    if matter is None or matter.payment.reference != command.payment:
        noun = MATTERS[type(command.found)].noun
        raise CommandRejected(f"{noun}_not_found", f"This payment has no such {noun}.")
    is_as_seen, why = matter.seen_now == command.seen, matter.obstacle
    if why or not (is_as_seen or matter.holds_later):
        _record_too_late(matter, command.by, why or "More has become known meanwhile.")
        return
    matter.carry_out(command.by, message, is_as_seen=is_as_seen)


def _record_too_late(matter: Matter, by: str, why: str) -> None:
    log.warning("settlement came too late", about=matter.fact, said=matter.said, **matter.named)
    fact = Fact(
        payment_id=matter.payment.pk,
        attempt_id=matter.attempt.pk,
        source=Actor.SAGA,
        kind=f"{matter.fact}_not_applied",
        data={"by": by, **matter.named, "said": matter.said, "why": why},
    )
    insert_in_batch(fact)
