"""Mark dead letters, notifications and differences as dealt with, so that they stop waiting for staff."""

from django.db import transaction
from django.utils import timezone

from checkout.errors import OperationRejected
from checkout.payments.models import DeadLetter, Difference, Fact, Payment, ProviderNotification
from checkout.payments.models.staff_handling import StaffHandling
from checkout.privacy.scrubbing import scrub_note
from checkout.states import Actor

NEEDS_ATTENTION = (
    ProviderNotification.State.UNMATCHED,
    ProviderNotification.State.CONFLICTED,
    ProviderNotification.State.UNREADABLE,
)


@transaction.atomic
def deal_with_dead_letter(pk: int, *, by: str, note: str) -> None:
    """Mark a dead letter as one that need not be sent again. If its message fails again, it is unmarked.

    Raises ``OperationRejected`` if there is no such letter, or if it was sent again or marked before.
    """
    letter = DeadLetter.objects.select_for_update().filter(pk=pk).first()
    if letter is None:
        raise OperationRejected("There is no such dead letter.")
    if letter.requeued_at is not None:
        raise OperationRejected(f"{letter.requeued_by} has sent this message again.")
    _mark(letter, by, note)
    payment = Payment.objects.filter(reference=letter.subject).first()
    if payment is not None:
        _record(payment, "dead_letter_dealt_with", letter, about=letter.type)


@transaction.atomic
def deal_with_notification(pk: int, *, by: str, note: str) -> None:
    """Mark a notification that could not be applied as dealt with. It is not tried again.

    Raises ``OperationRejected`` if there is no such notification, if it does not wait for staff, or if it was
    marked before.
    """
    found = ProviderNotification.objects.select_for_update(of=("self",)).select_related("payment")
    notification = found.filter(pk=pk).first()
    if notification is None:
        raise OperationRejected("There is no such notification.")
    if notification.state not in NEEDS_ATTENTION:
        raise OperationRejected(f"A notification that is {notification.state} does not wait for staff.")
    _mark(notification, by, note)
    notification.next_try_at = None
    notification.save(update_fields=["next_try_at"])
    if notification.payment is not None:
        _record(notification.payment, "notification_dealt_with", notification, about=notification.reason)


@transaction.atomic
def deal_with_difference(pk: int, *, by: str, note: str) -> None:
    """Mark a difference that cannot be corrected as dealt with. If another sum is found, it is unmarked.

    Raises ``OperationRejected`` if there is no such difference, or if it is resolved or was marked before.
    """
    found = Difference.objects.select_for_update(of=("self",)).select_related("payment")
    difference = found.filter(pk=pk).first()
    if difference is None:
        raise OperationRejected("There is no such difference.")
    if difference.resolved_at is not None:
        raise OperationRejected("The difference is resolved: the books agree, or the payment was settled.")
    _mark(difference, by, note)
    if difference.payment is not None:
        _record(difference.payment, "difference_dealt_with", difference, about=difference.kind)


def _mark(row: StaffHandling, by: str, note: str) -> None:
    if row.dealt_with_at is not None:
        raise OperationRejected(f"{row.dealt_with_by} has dealt with it already.")
    row.dealt_with_at = timezone.now()
    row.dealt_with_by = by[:150]
    row.dealt_with_note = scrub_note(note)
    row.save(update_fields=["dealt_with_at", "dealt_with_by", "dealt_with_note"])


def _record(payment: Payment, kind: str, row: StaffHandling, *, about: str) -> None:
    data = {"by": row.dealt_with_by, "note": row.dealt_with_note, "about": about}
    Fact.objects.create(payment=payment, source=Actor.STAFF, kind=kind, data=data)
