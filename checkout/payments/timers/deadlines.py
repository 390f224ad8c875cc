"""Send the orchestrator a command for each step whose deadline has passed."""

from datetime import timedelta

from django.db import transaction

from checkout.payments.checkout_messages import PassDeadline
from checkout.payments.models import Saga
from checkout.payments.models.messages import send_to_checkout
from checkout.payments.timers.timer import BATCH
from messaging.outbox.clock import server_time_now

REPEATED_AFTER = timedelta(minutes=10)


@transaction.atomic
def enqueue_passed_deadlines() -> int:
    """Write a command for every running saga whose deadline has passed. Return the number of commands.

    Several timers may run at once, because each takes other rows. One transaction postpones the deadline and
    writes the command. If the command becomes a dead letter, another follows. Two commands are harmless,
    because the first increases the saga's version.
    """
    now = server_time_now()
    due = Saga.objects.filter(status=Saga.Status.RUNNING, deadline_at__lte=now)
    sagas = list(
        due.select_for_update(skip_locked=True, of=("self",))
        .select_related("payment")
        .order_by("deadline_at")
        .only("pk", "version", "payment__reference")[:BATCH]
    )
    for saga in sagas:
        command = PassDeadline(saga=saga.pk, version=saga.version)
        send_to_checkout(command, saga.payment.reference)
    Saga.objects.filter(pk__in=[saga.pk for saga in sagas]).update(deadline_at=now + REPEATED_AFTER)
    return len(sagas)
