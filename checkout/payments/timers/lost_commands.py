"""Send lost commands again if nobody waits for their answer.

These are postings to the ledger, which the broker may lose with their queue, and commands that begin
operations. A command that begins an operation is also lost if its payment is erased, with all messages, while
the command is in the queue: the checkout service carries out no command that is not in the outbox.
"""

from collections.abc import Collection, Iterable
from contextlib import suppress
from datetime import datetime, timedelta

import msgspec
import structlog
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone

from checkout.conf import conf
from checkout.ledger.messages import PostEntries
from checkout.payments.checkout_messages import StartOperation
from checkout.payments.models import DeadLetter, Operation, OutboxMessage, RetentionWalk, Saga
from checkout.payments.models.messages import OPEN_LETTER, send_to_checkout
from checkout.payments.models.saga import operations_without_saga
from checkout.payments.postings import WALK, has_an_old_proof, unposted
from checkout.payments.timers.table_walk import ROWS, begin_again_if_due, locked_walk
from checkout.payments.timers.timer import NOTHING, Work
from messaging.access.proofs import prove
from messaging.libraries import typed
from messaging.outbox.again import publish_again

log = structlog.get_logger(__name__)

# The time for which postings that staff have sent again are checked.
LATELY = timedelta(days=1)
# The name of the walk through the operations.
OPERATIONS = "payments_operation"


def send_lost_again() -> Work:
    """Find postings that were not made and operations that have not begun, and send their commands again.

    Nobody waits for these commands, so their loss would not be noticed otherwise. Each command is carried out
    once, so a command that was only late does no harm.
    """
    works = post_again(), begin_again()
    return Work(sum(work.done for work in works), has_more=any(work.has_more for work in works))


@transaction.atomic
def post_again() -> Work:
    """Publish postings again that were published longer than ``conf.service_wait`` ago, and were not made.

    This walks through all sent messages. The walk stops before a posting that is not made.
    """
    walk = locked_walk(WALK)
    if walk is None:
        return NOTHING
    now = timezone.now()
    long_ago = now - conf.service_wait
    sent = OutboxMessage.objects.order_by("pk").filter(pk__gt=walk.last_pk)
    page = list(sent.values_list("pk", "type", "created_at")[:ROWS])
    end = _first_recent(((pk, written) for pk, _, written in page), now)
    passed = [(pk, type) for pk, type, _ in page if end is None or pk < end]
    keys = [pk for pk, type in passed if type == PostEntries.to]
    open_ = unposted(OutboxMessage.objects.filter(pk__in=keys).order_by("pk")) if keys else []
    _publish_again([*open_, *unposted(_sent_again(now))], long_ago)
    if passed:
        walk.last_pk = open_[0].pk - 1 if open_ else passed[-1][0]
        walk.save()
    return Work(len(open_), has_more=len(passed) == ROWS and not open_)


@transaction.atomic
def begin_again() -> Work:
    """Begin operations that were written longer than ``conf.service_wait`` ago, and have no saga.

    An operation gets a new command, because the first one may no longer be in the outbox. Operations that
    were found to be done, and included captures, have a saga as well, which posts them. This walks through
    all operations. The walk stops before an operation that has not begun, unless a dead letter of its payment
    waits for staff. It restarts once a day, for operations with which staff have dealt in the meantime.
    """
    walk = locked_walk(OPERATIONS)
    if walk is None:
        return NOTHING
    now = timezone.now()
    begin_again_if_due(walk)
    written = Operation.objects.order_by("pk").filter(pk__gt=walk.last_pk)
    page = list(written.values_list("pk", "created_at")[:ROWS])
    end = _first_recent(page, now)
    passed = [pk for pk, _ in page if end is None or pk < end]
    lost = _unbegun(walk, passed[-1]) if passed else []
    for operation in _to_begin(lost, now):
        payment = operation.payment.reference
        log.warning("begun again", operation=operation.reference, payment=payment)
        send_to_checkout(StartOperation(payment=payment, operation=operation.reference), payment)
    is_known = walk.is_at_end and not passed
    walk.is_at_end = len(passed) < ROWS
    if passed:
        walk.last_pk = lost[0].pk - 1 if lost else passed[-1]
    if not is_known:
        walk.save()
    return Work(len(lost), has_more=not walk.is_at_end and not lost)


def _first_recent(rows: Iterable[tuple[int, datetime]], now: datetime) -> int | None:
    """Return the key of the first row that was written less than ``conf.service_wait`` ago.

    A time in the future comes from a process with a fast clock, and does not count as recent.
    """
    return next((pk for pk, written in rows if now - conf.service_wait < written <= now), None)


def _unbegun(walk: RetentionWalk, last: int) -> list[Operation]:
    """Return the operations without a saga among the next rows, except those that are left to staff.

    A dead letter is scrubbed, and may no longer name its operation. Therefore an open letter concerns all
    operations of its payment.
    """
    rows = Operation.objects.filter(pk__gt=walk.last_pk, pk__lte=last)
    unbegun = operations_without_saga(rows, Saga.objects.order_by())
    lost = list(unbegun.select_related("payment").order_by("pk"))
    letters = DeadLetter.objects.filter(OPEN_LETTER, type=StartOperation.to)
    about = letters.filter(subject__in=_payments_of(lost)) if lost else letters.none()
    waiting = set(about.values_list("subject", flat=True))
    return [operation for operation in lost if operation.payment.reference not in waiting]


def _to_begin(lost: Collection[Operation], now: datetime) -> list[Operation]:
    """Return the operations whose command is not waiting to be published, and was not published lately.

    A running purchase begins its included capture, which is therefore left out.
    """
    if not lost:
        return []
    included = Operation.objects.filter(pk__in=[each.pk for each in lost])
    included = included.filter(reference=F("attempt__capture_reference"))
    running = Saga.objects.filter(kind="purchase", attempt=OuterRef("attempt"), status=Saga.Status.RUNNING)
    left = set(included.filter(Exists(running)).values_list("pk", flat=True))
    is_late = Q(published_at__lte=now - conf.service_wait) | Q(published_at__gt=now)
    sent = OutboxMessage.objects.filter(type=StartOperation.to, subject__in=_payments_of(lost))
    on_their_way = {_operation(body) for body in sent.exclude(is_late).values_list("body", flat=True)}
    return [each for each in lost if each.pk not in left and each.reference not in on_their_way]


def _payments_of(operations: Iterable[Operation]) -> set[str]:
    return {operation.payment.reference for operation in operations}


def _operation(body: str) -> str:
    with suppress(msgspec.DecodeError):
        return typed.decode(body, StartOperation).operation
    return ""


def _sent_again(now: datetime) -> QuerySet[OutboxMessage]:
    """Return the postings that staff have sent again lately. The walk may have passed them."""
    letters = DeadLetter.objects.filter(type=PostEntries.to, requeued_at__gt=now - LATELY)
    return OutboxMessage.objects.filter(message_id__in=letters.values("message_id"))


def _publish_again(rows: Iterable[OutboxMessage], long_ago: datetime) -> None:
    for row in rows:
        if row.published_at is None or row.published_at > long_ago:
            continue
        log.warning("sent again", type=row.type, message_id=row.message_id, payment=row.subject)
        if has_an_old_proof(row):
            row.headers = prove(row.envelope()).headers
            row.save(update_fields=["headers"])
        publish_again(OutboxMessage.objects.filter(pk=row.pk))
