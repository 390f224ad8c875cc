"""Mark the requests and messages of a database that was restored to an earlier moment as uncertain.

A request to a provider that the restored database is about to make may have been made already, after that
moment. It is recorded as made, without an outcome. A request without an outcome at that moment may have been
sent again since, and counts as sent just now. In both cases the saga inquires first, as after a crash. If the
provider's answers do not show an operation, it is never sent again automatically, but waits for staff: the
answers may show an operation that was requested after the moment instead of it.

Before its request, a saga may wait for an answer that came after the moment, and that will not come again. At
its deadline it would give up, and refuse a payment that has been made. Therefore a purchase whose attempt was
not submitted yet continues with its inquiry.

The database also lacks the captures, voids and refunds that were made after the moment. If more could be
captured or refunded of a payment, it is locked until our books and the provider's have been compared and
agree.
"""

from collections.abc import Iterable
from datetime import datetime
from itertools import islice

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
    time_to_show,
)
from checkout.payments.events import move_attempt
from checkout.payments.locking import locked_attempt, locked_payment_of
from checkout.payments.models import (
    Attempt,
    DeadLetter,
    InboxMessage,
    Operation,
    OutboxMessage,
    PostponedComparison,
    ProviderCall,
    RetentionWalk,
    Saga,
)
from checkout.payments.postings import WALK
from checkout.payments.providers.base import Verb
from checkout.payments.sagas.purchase.data import At
from checkout.payments.sagas.purchase.flow import Purchase
from checkout.states import OPEN_ATTEMPTS, Actor, AttemptState, PaymentState
from messaging.outbox.again import publish_again
from messaging.outbox.clock import server_time, server_time_now
from messaging.topology import Topology

PAGE = 1000
# The states of payments whose money can no longer be captured, voided or refunded.
NOTHING_LEFT = (
    PaymentState.VOIDED,
    PaymentState.REFUNDED,
    PaymentState.CANCELLED,
    PaymentState.EXPIRED,
)
# Services that carry out each command once, and whose databases can be repaired by sending commands again.
REPEATABLE = ("orders", "ledger")


@transaction.atomic
def doubt_requests() -> int:
    """Record each pending request as possibly made. Return the number of requests."""
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
        # An included capture has no request of its own.
        if operation.reference != operation.attempt.capture_reference:
            doubted += _doubt(operation.attempt, Verb(operation.kind), operation.reference)
    return doubted


def lock_payments() -> int:
    """Lock the payments that have, or may get, money to capture or refund. Return their number.

    A payment is unlocked only by a comparison that begins when the provider's queries must show every
    operation.
    """
    may_show_until = server_time_now() + time_to_show()
    attempts = Attempt.objects.filter(state__in=(AttemptState.AUTHORISED, *OPEN_ATTEMPTS)).exclude(
        payment__state__in=NOTHING_LEFT
    )
    pairs = attempts.order_by().values_list("provider_account_id", "payment_id").distinct()
    locked: set[int] = set()
    found = pairs.iterator(PAGE)
    while page := list(islice(found, PAGE)):
        rows = [
            PostponedComparison(
                account_id=account, payment_id=payment, postponed_at=may_show_until, is_lock=True
            )
            for account, payment in page
        ]
        PostponedComparison.objects.bulk_create(
            rows,
            update_conflicts=True,
            unique_fields=["account", "payment"],
            update_fields=["postponed_at", "is_lock"],
        )
        locked |= {payment for _, payment in page}
    return len(locked)


def unlock_payments() -> int:
    """Unlock the payments that a comparison has not unlocked yet. Return their number."""
    locked = PostponedComparison.objects.filter(is_lock=True)
    payments = locked.order_by().values("payment").distinct().count()
    locked.update(is_lock=False)
    return payments


def _doubt(attempt: Attempt, verb: Verb, key: str) -> bool:
    made, is_new = ProviderCall.objects.get_or_create(
        key=key, defaults={"attempt": attempt, "verb": verb, "started_at": server_time(), "was_alone": False}
    )
    if is_new:
        return True
    # After the restored moment, a request without an outcome may have been sent again, if the provider showed
    # that it had never arrived. It is marked once: from then on ``was_alone`` is False.
    may_be_again = Q(outcome__in=TO_BE_SENT_AGAIN) | Q(outcome__in=UNANSWERED, was_alone=True)
    again = ProviderCall.objects.filter(may_be_again, pk=made.pk)
    changes = {"started_at": server_time(), "finished_at": None, "was_alone": False, "recognised_key": ""}
    return bool(may_have_left(again, "", **changes))


def _go_on_at_the_inquiry(attempt: Attempt) -> None:
    """Continue the attempt's purchase, if there is one, with its inquiry, as soon as the timers run.

    At other times only the orchestrator changes sagas. It is stopped while this runs.
    """
    purchases = Saga.objects.filter(attempt=attempt, kind=Purchase.kind, status=Saga.Status.RUNNING)
    if not purchases.exists():
        return
    payment, locked = locked_payment_of(attempt), locked_attempt(attempt.pk)
    if locked.state == AttemptState.CREATED:
        move_attempt(payment, locked, "submitted", Actor.SAGA)
        now = server_time_now()
        purchases.update(
            step=str(At.INQUIRE), awaiting="", deadline_at=now, look_at=now, version=F("version") + 1
        )


def to_be_repeated() -> Q:
    """Return a condition that matches the messages to send again after a restore of orders or ledger."""
    return Q(exchange=Topology(conf.prefix).commands, routing_key__in=REPEATABLE)


def send_unhandled_again(since: datetime) -> int:
    """Have the relay publish the commands again that orders and ledger have not handled. Return their number.

    This is for a database of orders or ledger that was restored to an earlier moment than the others.
    ``since`` is a time before that moment. A command that was only late is handled once, because it keeps its
    id. Commands older than ``conf.retention`` are left out, because inboxes no longer contain them.
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
    # A dead letter that staff have sent again, and that has not failed since, was handled.
    letters = DeadLetter.objects.filter(message_id__in=rows, requeued_at__isnull=True)
    known = set(letters.values_list("message_id", flat=True))
    for service in REPEATABLE:
        inbox = InboxMessage.objects.using(database_of(service)).filter(consumer=service)
        known |= set(inbox.filter(message_id__in=rows).values_list("message_id", flat=True))
    return [row.pk for message_id, row in rows.items() if message_id not in known]


def _published_again(keys: list[int]) -> int:
    if keys:
        # The check of postings must walk over these again.
        RetentionWalk.objects.filter(table=WALK, last_pk__gte=keys[0]).update(last_pk=keys[0] - 1)
    return publish_again(OutboxMessage.objects.filter(pk__in=keys))
