"""Send the orchestrator a command for each step whose deadline has passed."""

from datetime import timedelta

from django.db import transaction
from django.db.models import F

from checkout.payments.checkout_messages import PassDeadline
from checkout.payments.models import Saga
from checkout.payments.models.messages import send_to_checkout
from checkout.payments.timers.timer import BATCH
from messaging.outbox.clock import server_time_now

REPEATED_AFTER = timedelta(minutes=10)


@transaction.atomic
def enqueue_passed_deadlines() -> int:
    """Write a command for every running saga whose deadline has passed.

    Return the number of sagas that were looked at. Some of them have moved on: they are looked at again at
    their present deadline, if they have one.

    Several timers may run at once, because each takes other rows. One transaction postpones the deadline and
    writes the command. If the command becomes a dead letter, another follows. Two commands are harmless,
    because the first increases the saga's version.
    """
    now = server_time_now()
    sagas = list(
        Saga.objects.filter(status=Saga.Status.RUNNING, look_at__lte=now)
        .select_for_update(skip_locked=True, of=("self",))
        .select_related("payment")
        .order_by("look_at")
        .only("pk", "version", "deadline_at", "payment__reference")[:BATCH]
    )
    late = [saga for saga in sagas if saga.deadline_at is not None and saga.deadline_at <= now]
    for saga in late:
        send_to_checkout(PassDeadline(saga=saga.pk, version=saga.version), saga.payment.reference)
    again = now + REPEATED_AFTER
    Saga.objects.filter(pk__in=[saga.pk for saga in late]).update(deadline_at=again)
    Saga.objects.filter(pk__in=[saga.pk for saga in sagas]).update(look_at=F("deadline_at"))
    return len(sagas)
