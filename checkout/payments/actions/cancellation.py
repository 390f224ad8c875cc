"""Cancel an unpaid payment, at once or, during a challenge, when the provider has cancelled it as well."""

from collections.abc import Mapping

from django.db import transaction
from django.utils import timezone

from checkout.payments.actions.shopper.pending import (
    Pending,
    await_payment_command,
    enqueue_command,
    find_enqueued,
)
from checkout.payments.checkout_messages import AnnouncePayment, CallOffChallenge
from checkout.payments.events import move_payment
from checkout.payments.locking import get_payment_for_update
from checkout.payments.models import Attempt, Fact, Merchant, Payment
from checkout.payments.models.messages import send_to_checkout
from checkout.states import Actor, PaymentState

# In place of the hash of a challenge's token, none of which it equals.
CALLED_OFF = "called off"


@transaction.atomic
def cancel_payment(reference: str, *, by: str, merchant: Merchant | None = None) -> None:
    """Cancel a payment that is open, refused or waits for a challenge, so that it can no longer be paid.

    During a challenge, the provider is asked to cancel it first. Nothing changes if that is being done.
    ``merchant`` is the merchant whose program asks. Without it, staff ask. Raises ``PaymentNotFound``, and
    ``IllegalTransition`` for a payment in any other state.
    """
    payment = get_payment_for_update(reference, merchant)
    actor = Actor.STAFF if merchant is None else Actor.MERCHANT
    if payment.state == PaymentState.CHALLENGE_REQUIRED:
        command = _call_off(payment, actor, {"by": by})
        enqueue_command(
            payment.reference, command, delay_seconds=0
        )  # nobody waits, so the relay publishes it
    elif not _is_called_off(payment):
        move_payment(payment, "cancelled", actor)
        Fact.objects.create(payment=payment, source=actor, kind="cancelled", data={"by": by})
        send_to_checkout(AnnouncePayment(payment=payment.reference), payment.reference)


@transaction.atomic
def give_up_challenge(reference: str, *, message_id: str = "") -> Pending:
    """Cancel a payment that waits for a challenge, because its shopper does not want to go on.

    For a payment in any other state, only wait for its result. If it is unknown whether a call was committed,
    the caller repeats it with the same ``message_id``. Raises ``PaymentNotFound``.
    """
    payment = get_payment_for_update(reference)
    if payment.state == PaymentState.CHALLENGE_REQUIRED:
        command = _call_off(payment, Actor.SHOPPER, {})
        return enqueue_command(payment.reference, command, message_id=message_id)
    return find_enqueued(reference, CallOffChallenge, message_id) or await_payment_command(reference)


def _call_off(payment: Payment, actor: Actor, by: Mapping[str, str]) -> CallOffChallenge:
    """Return the command to cancel the challenge. The shopper cannot come back from it any more."""
    attempt = _latest(payment)
    attempt.challenge_token_hash, attempt.challenge_expires_at = CALLED_OFF, timezone.now()
    attempt.save(update_fields=["challenge_token_hash", "challenge_expires_at"])
    Fact.objects.create(
        payment=payment, attempt=attempt, source=actor, kind="challenge_called_off", data=dict(by)
    )
    move_payment(payment, "called_off", actor)
    return CallOffChallenge(payment=payment.reference, attempt=attempt.order_code)


def _is_called_off(payment: Payment) -> bool:
    """Return True while a challenge that was called off is being cancelled at the provider."""
    return payment.state == PaymentState.PROCESSING and _latest(payment).challenge_token_hash == CALLED_OFF


def _latest(payment: Payment) -> Attempt:
    return Attempt.objects.select_for_update(no_key=True).filter(payment=payment).latest("number")
