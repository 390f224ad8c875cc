"""Cancel an unpaid payment, at once or, if an attempt is under way, as soon as no money is held for it."""

from collections.abc import Mapping

from django.db import transaction
from django.utils import timezone

from checkout.errors import IllegalTransition
from checkout.payments.actions.shopper.pending import (
    Pending,
    await_payment_command,
    enqueue_command,
    find_enqueued,
)
from checkout.payments.checkout_messages import AnnouncePayment, CallOff
from checkout.payments.events import move_payment
from checkout.payments.locking import get_payment_for_update
from checkout.payments.models import Attempt, Fact, Merchant, Payment
from checkout.payments.models.messages import send_to_checkout
from checkout.states import Actor, AttemptState, PaymentState


@transaction.atomic
def cancel_payment(reference: str, *, by: str, merchant: Merchant | None = None) -> None:
    """Cancel an unpaid payment, so that it can no longer be paid.

    If an attempt is under way, its purchase is told to call it off: it asks the provider if need be, releases
    what is held by then, and cancels the payment. If the money is taken first, the payment is paid. A
    repeated call changes nothing. ``merchant`` is the merchant whose program calls. Without it, a member of
    staff calls. Raises ``PaymentNotFound``, and ``IllegalTransition`` for a payment that is paid or has
    ended.
    """
    payment = get_payment_for_update(reference, merchant)
    actor = Actor.STAFF if merchant is None else Actor.MERCHANT
    if not PaymentState(payment.state).is_under_way:
        _cancel(payment, actor, {"by": by})
    elif (command := _call_off(payment, actor, {"by": by})) is not None:
        # Nobody waits, so the relay publishes it.
        enqueue_command(payment.reference, command, delay_seconds=0)


@transaction.atomic
def give_up(reference: str, *, message_id: str = "") -> Pending:
    """Cancel an unpaid payment for its shopper, who waits for the result.

    If the payment can no longer be cancelled, only wait for its result. If it is unknown whether a call was
    committed, the caller repeats it with the same ``message_id``. Raises ``PaymentNotFound``.
    """
    payment = get_payment_for_update(reference)
    state = PaymentState(payment.state)
    if state.may_be_paid:
        _cancel(payment, Actor.SHOPPER, {})
    may_be_called_off = state.is_under_way and not _is_too_late(payment)
    if may_be_called_off and (command := _call_off(payment, Actor.SHOPPER, {})) is not None:
        return enqueue_command(payment.reference, command, message_id=message_id)
    return find_enqueued(reference, CallOff, message_id) or await_payment_command(reference)


def _cancel(payment: Payment, actor: Actor, by: Mapping[str, str]) -> None:
    move_payment(payment, "cancelled", actor)
    Fact.objects.create(payment=payment, source=actor, kind="cancelled", data=dict(by))
    send_to_checkout(AnnouncePayment(payment=payment.reference), payment.reference)


def _call_off(payment: Payment, actor: Actor, by: Mapping[str, str]) -> CallOff | None:
    """Return the command to call the latest attempt off; None if that was done before.

    Raises ``IllegalTransition`` if its money is held, and so is being captured or released. From now on, the
    shopper cannot return from the attempt's challenge.
    """
    attempt = _latest(payment)
    if attempt.called_off_at is not None:
        return None
    if _is_too_late(payment):
        raise IllegalTransition("The money of this payment is being taken, or released.")
    is_in_challenge = payment.state == PaymentState.CHALLENGE_REQUIRED
    attempt.called_off_at = timezone.now()
    attempt.save(update_fields=["called_off_at"])
    kind = "challenge_called_off" if is_in_challenge else "called_off"
    Fact.objects.create(payment=payment, attempt=attempt, source=actor, kind=kind, data=dict(by))
    if is_in_challenge:
        move_payment(payment, "called_off", actor)
    return CallOff(payment=payment.reference, attempt=attempt.order_code)


def _is_too_late(payment: Payment) -> bool:
    """Return True if the latest attempt has been authorised."""
    return _latest(payment).state == AttemptState.AUTHORISED


def _latest(payment: Payment) -> Attempt:
    return Attempt.objects.select_for_update(no_key=True).filter(payment=payment).latest("number")
