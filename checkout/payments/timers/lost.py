"""Send commands again that the broker has lost, and for whose answer nobody waits.

These are postings to the ledger, and the beginnings of operations.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import msgspec
import structlog
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from checkout.conf import conf
from checkout.ledger.books import made_of
from checkout.ledger.messages import PostEntries
from checkout.messages import Command
from checkout.payments.checkout_messages import StartOperation
from checkout.payments.models import DeadLetter, Operation, OutboxMessage, Saga
from checkout.payments.timers.retention import ROWS, locked_walk
from checkout.payments.timers.timer import NOTHING, Work
from messaging.access.proofs import is_proven, prove
from messaging.envelope import PROOF

log = structlog.get_logger(__name__)

# The time for which a posting that staff have sent again is looked after.
LATELY = timedelta(days=1)
# The name of the walk through the sent messages.
WALK = "payments_outboxmessage"


@transaction.atomic
def send_lost_again() -> Work:
    """Publish again what was published longer than ``conf.service_wait`` ago, and was not carried out.

    Nobody waits for these commands, so nobody else would notice that one was lost. Each is carried out once,
    so that one which is only late does no harm. All sent messages are walked through, and the walk does not
    go on beyond one that is not carried out.
    """
    walk = locked_walk(WALK)
    if walk is None:
        return NOTHING
    now = timezone.now()
    long_ago = now - conf.service_wait
    sent = OutboxMessage.objects.order_by("pk").filter(pk__gt=walk.last_pk)
    page = list(sent.values_list("pk", "type", "created_at")[:ROWS])
    # A time in the future is one of a process with another clock. Its messages are not recent for ever.
    recent = (pk for pk, _, written in page if long_ago < written <= now)
    end = next(recent, None)
    passed = [(pk, type) for pk, type, _ in page if end is None or pk < end]
    open_ = [*_named(passed, PostEntries, unposted), *_named(passed, StartOperation, unbegun)]
    open_.sort(key=lambda row: row.pk)
    _publish_again([*open_, *unposted(_sent_again(now))], long_ago)
    if passed:
        walk.last_pk = open_[0].pk - 1 if open_ else passed[-1][0]
        walk.save()
    return Work(len(open_), has_more=len(passed) == ROWS and not open_)


def _named(
    passed: Iterable[tuple[int, str]],
    kind: type[Command[Any]],
    which: Callable[[Iterable[OutboxMessage]], list[OutboxMessage]],
) -> list[OutboxMessage]:
    keys = [pk for pk, type in passed if type == kind.to]
    return which(OutboxMessage.objects.filter(pk__in=keys).order_by("pk")) if keys else []


def unbegun(told: Iterable[OutboxMessage]) -> list[OutboxMessage]:
    """Return those commands to begin an operation that has no saga, and whose request was not made.

    One that has become a dead letter is left to staff.
    """
    rows = {_operation(row): row for row in told}
    waiting = Operation.objects.filter(reference__in=rows, state=Operation.State.REQUESTED)
    references = set(waiting.values_list("reference", flat=True))
    references -= set(Saga.objects.filter(key__in=references).values_list("key", flat=True))
    left = [rows[reference] for reference in references]
    letters = _dead(left)
    return [row for row in left if row.message_id not in letters]


def _operation(row: OutboxMessage) -> str:
    with suppress(msgspec.DecodeError):
        return msgspec.json.decode(row.body, type=StartOperation).operation
    return ""


def unposted(told: Iterable[OutboxMessage]) -> list[OutboxMessage]:
    """Return those commands to post that the ledger will or should carry out, and has not so far.

    A command that has become a dead letter is left to staff, unless it is one because of its proof, which was
    made with a key that is not valid any more.
    """
    names: dict[OutboxMessage, str] = {}
    for row in told:
        with suppress(msgspec.DecodeError):  # a dead letter, sent again, that never was a posting
            names[row] = msgspec.json.decode(row.body, type=PostEntries).name
    made = made_of(names.values())
    rows = [row for row, name in names.items() if name not in made]
    letters = _dead(rows)
    return [row for row in rows if row.message_id not in letters or _has_an_old_proof(row)]


def _dead(rows: Iterable[OutboxMessage]) -> set[str]:
    """Return the ids of those messages that are dead letters, and that staff have not sent again."""
    named = [row.message_id for row in rows]
    dead = DeadLetter.objects.filter(message_id__in=named, requeued_at__isnull=True)
    return set(dead.values_list("message_id", flat=True)) if named else set()


def _sent_again(now: datetime) -> QuerySet[OutboxMessage]:
    """Return the postings that staff have sent again lately. The walk may have passed them."""
    letters = DeadLetter.objects.filter(type=PostEntries.to, requeued_at__gt=now - LATELY)
    return OutboxMessage.objects.filter(message_id__in=letters.values("message_id"))


def is_posting(payment: str) -> bool:
    """Return True if a posting of this payment is on its way to the ledger."""
    return bool(unposted(OutboxMessage.objects.filter(subject=payment, type=PostEntries.to)))


def _publish_again(rows: Iterable[OutboxMessage], long_ago: datetime) -> None:
    for row in rows:
        if row.published_at is None or row.published_at > long_ago:
            continue
        log.warning("sent again", type=row.type, message_id=row.message_id, payment=row.subject)
        if _has_an_old_proof(row):
            row.headers = prove(row.envelope()).headers
        row.published_at, row.available_at, row.attempts = None, timezone.now(), 0
        row.save(update_fields=["headers", "published_at", "available_at", "attempts"])


def _has_an_old_proof(row: OutboxMessage) -> bool:
    """Return True if the row was written with a proof that is not valid any more.

    A row without any, which staff may have made from a dead letter, must not get one.
    """
    return PROOF in row.headers and not is_proven(row.envelope())
