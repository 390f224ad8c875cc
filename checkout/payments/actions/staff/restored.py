"""Put the requests and messages of a database in doubt that was restored to an earlier moment.

A request to a provider that such a database is about to make may have been made already, after that moment:
it is written down as made, without an outcome. One that had no outcome at the moment may have been sent again
since, and counts as sent just now. Its flow then asks the provider first, as after a crash. An operation that
the provider's answers do not show is never sent again by itself, but waits for staff, since operations that
were requested after the moment may hide it.

The flow may stand before the request, and wait for an answer that came after the moment, and will not come
again. It would give up at its deadline, and call a payment refused that has been made. So a purchase whose
attempt was not submitted yet goes on at its inquiry.
"""

from collections.abc import Iterable
from datetime import datetime

from django.db import transaction
from django.db.models import F, Q

from checkout.conf import conf
from checkout.database.owners import database_of
from checkout.payments.calls import (
    MODIFICATIONS,
    TO_BE_SENT_AGAIN,
    UNANSWERED,
    authorise_key,
    completion_key,
    may_have_left,
)
from checkout.payments.events import move_attempt
from checkout.payments.locking import locked_attempt, locked_payment_of
from checkout.payments.models import (
    Attempt,
    DeadLetter,
    InboxMessage,
    Operation,
    OutboxMessage,
    ProviderCall,
    RetentionWalk,
    Saga,
)
from checkout.payments.postings import WALK
from checkout.payments.providers.base import Verb
from checkout.payments.sagas.purchase.data import At
from checkout.payments.sagas.purchase.flow import Purchase
from checkout.states import Actor, AttemptState
from messaging.outbox.clock import server_time, server_time_now
from messaging.topology import Topology

PAGE = 1000
# The services whose effects last, and which carry out a command once: those that repair an older database.
REPEATABLE = ("orders", "ledger")


@transaction.atomic
def doubt_requests() -> int:
    """Write each request down as perhaps made that is to be made, or made again. Return their number."""
    doubted = 0
    for attempt in Attempt.objects.filter(state=AttemptState.CREATED):
        doubted += _doubt(attempt, Verb.AUTHORISE, authorise_key(attempt))
        _go_on_at_the_inquiry(attempt)
    for attempt in Attempt.objects.filter(state=AttemptState.CHALLENGE_RETURNED):
        doubted += _doubt(attempt, Verb.COMPLETE_CHALLENGE, completion_key(attempt))
    still_to_be_sent = Operation.objects.filter(
        state__in=(Operation.State.REQUESTED, Operation.State.UNKNOWN), kind__in=MODIFICATIONS
    )
    for operation in still_to_be_sent.select_related("attempt"):
        # A capture that the authorisation includes has no request of its own.
        if operation.reference != operation.attempt.capture_reference:
            doubted += _doubt(operation.attempt, Verb(operation.kind), operation.reference)
    return doubted


def _doubt(attempt: Attempt, verb: Verb, key: str) -> bool:
    made, is_new = ProviderCall.objects.get_or_create(
        key=key, defaults={"attempt": attempt, "verb": verb, "started_at": server_time(), "was_alone": False}
    )
    if is_new:
        return True
    # A request without an outcome may have been sent again after the moment, if the provider showed that it
    # had never arrived. It is doubted once: from then on ``was_alone`` is False.
    may_be_again = Q(outcome__in=TO_BE_SENT_AGAIN) | Q(outcome__in=UNANSWERED, was_alone=True)
    again = ProviderCall.objects.filter(may_be_again, pk=made.pk)
    changes = {"started_at": server_time(), "finished_at": None, "was_alone": False, "recognised_key": ""}
    return bool(may_have_left(again, "", **changes))


def _go_on_at_the_inquiry(attempt: Attempt) -> None:
    """Let the attempt's purchase ask the provider as soon as the timers run. Without one, nothing is done.

    The orchestrator, which alone changes sagas otherwise, is stopped.
    """
    purchases = Saga.objects.filter(attempt=attempt, kind=Purchase.kind, status=Saga.Status.RUNNING)
    if not purchases.exists():
        return
    payment, locked = locked_payment_of(attempt), locked_attempt(attempt.pk)
    if locked.state == AttemptState.CREATED:
        move_attempt(payment, locked, "submitted", Actor.SAGA)
        purchases.update(
            step=str(At.INQUIRE), awaiting="", deadline_at=server_time_now(), version=F("version") + 1
        )


def to_be_repeated() -> Q:
    """Return the condition on sent messages that orders or ledger need again if they are restored."""
    return Q(exchange=Topology(conf.prefix).commands, routing_key__in=REPEATABLE)


def send_unhandled_again(since: datetime) -> int:
    """Have commands to orders and ledger published again that these have not handled. Return their number.

    That is for a database of theirs that was restored to an earlier moment than the others. ``since`` is a
    time before that moment. A command that is only late is handled once, as it keeps its id. No inbox
    remembers one that is older than ``conf.retention``.
    """
    since = max(since, server_time_now() - conf.retention)
    sent = OutboxMessage.objects.filter(to_be_repeated(), created_at__gte=since, published_at__isnull=False)
    sent = sent.order_by("pk")
    last, again = 0, 0
    while page := list(sent.filter(pk__gt=last)[:PAGE]):
        last = page[-1].pk
        again += _published_again(_unhandled(page))
    return again


def _unhandled(page: Iterable[OutboxMessage]) -> list[int]:
    rows = {row.message_id: row for row in page}
    # One that staff have sent again, and that has not died since, was handled after all.
    letters = DeadLetter.objects.filter(message_id__in=rows, requeued_at__isnull=True)
    known = set(letters.values_list("message_id", flat=True))
    for service in REPEATABLE:
        inbox = InboxMessage.objects.using(database_of(service)).filter(consumer=service)
        known |= set(inbox.filter(message_id__in=rows).values_list("message_id", flat=True))
    return [row.pk for message_id, row in rows.items() if message_id not in known]


def _published_again(keys: list[int]) -> int:
    if keys:
        # The walk must see that they are made this time, too.
        RetentionWalk.objects.filter(table=WALK, last_pk__gte=keys[0]).update(last_pk=keys[0] - 1)
    rows = OutboxMessage.objects.filter(pk__in=keys)
    return rows.update(published_at=None, available_at=server_time(), attempts=0)
