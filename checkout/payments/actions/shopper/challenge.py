"""Send the shopper to the challenge, and handle the shopper's return."""

import hmac
from dataclasses import dataclass

from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from checkout.conf import conf
from checkout.errors import IllegalTransition, TokenRejected
from checkout.payments.actions.shopper.pending import (
    Pending,
    await_payment_command,
    enqueue_command,
    find_enqueued,
)
from checkout.payments.actions.shopper.showing import PaymentView, payment_view
from checkout.payments.challenge_token import hash_of, token_for, tokens_for
from checkout.payments.checkout_messages import CompleteChallenge
from checkout.payments.events import move_attempt, move_payment
from checkout.payments.locking import get_payment_for_update
from checkout.payments.models import Attempt, Fact, Payment
from checkout.payments.providers.base import BrowserForm, Challenge
from checkout.payments.providers.registry import get_provider
from checkout.states import Actor, AttemptState, PaymentState
from messaging.compiled_queries import Compiled, batch, insert_in_batch


@dataclass(frozen=True, slots=True, kw_only=True)
class ChallengePage:
    """Data of the page that leads to the challenge. ``window`` is ``fullPage`` or a size, as in 390x400."""

    payment: PaymentView
    form: BrowserForm
    window: str


def return_url(attempt: Attempt, token: str) -> str:
    """Return the address at which the shopper comes back from the ACS."""
    path = reverse("checkout:challenge_return", args=[attempt.payment.reference, token])
    return f"{conf.public_url}{path}"


def challenge_page(reference: str) -> ChallengePage:
    """Return the challenge for which the payment waits.

    Raises ``PaymentNotFound``, ``IllegalTransition`` if it waits for none, and ``TokenRejected`` (with
    ``is_expired``) if a return would no longer be accepted.
    """
    view = payment_view(reference)
    attempt = _CHALLENGED.first(reference)
    if attempt is None or not attempt.challenge:
        raise IllegalTransition("This payment does not wait for a challenge.")
    _require_time_left(attempt)
    provider = get_provider(attempt.provider_account.opened())
    # Challenges from before an upgrade have an echo of 3-D Secure 1 as well.
    stored = {name: value for name, value in attempt.challenge.items() if name != "echo_data"}
    form = provider.challenge_form(
        Challenge(**stored),
        return_url=return_url(attempt, _token_of(attempt)),
        merchant_data=attempt.order_code,
    )
    return ChallengePage(payment=view, form=form, window=conf.challenge_window)


@transaction.atomic
@batch()
def return_from_challenge(
    reference: str, token: str, *, transaction_id: str, merchant_data: str, message_id: str = ""
) -> Pending:
    """Record the shopper's return. The first one moves the payment on, a repeated one waits for its result.

    If the payment waits for no challenge, because an earlier attempt may hold its money, the return also
    waits for the result. If it is unknown whether a call was committed, the caller repeats it with the same
    ``message_id``. The result comes from the provider, never from the browser. Raises ``PaymentNotFound``,
    and ``TokenRejected`` for a token of another payment or (with ``is_expired``) an old one.
    """
    payment = get_payment_for_update(reference)
    attempt = _RETURNED.first(payment.pk, hash_of(token))
    if attempt is None:
        if _is_earlier_token(payment, token):
            return await_payment_command(reference)
        raise TokenRejected("This return address is not one of ours.")
    is_awaited = payment.state == PaymentState.CHALLENGE_REQUIRED
    if attempt.state != AttemptState.CHALLENGE_REQUIRED or not is_awaited:
        return find_enqueued(reference, CompleteChallenge, message_id) or await_payment_command(reference)
    _require_time_left(attempt)
    fact = {
        "transaction_id": transaction_id[:64],
        "is_ours": _is_ours(attempt, transaction_id, merchant_data),
    }
    insert_in_batch(
        Fact(payment=payment, attempt=attempt, source=Actor.SHOPPER, kind="challenge_returned", data=fact)
    )
    move_attempt(payment, attempt, "challenge_returned", Actor.SHOPPER)
    move_payment(payment, "challenge_returned", Actor.SHOPPER)
    command = CompleteChallenge(payment=payment.reference, attempt=attempt.order_code)
    return enqueue_command(payment.reference, command, message_id=message_id)


_CHALLENGED = Compiled(
    lambda reference: Attempt.objects.select_related("payment", "provider_account").filter(
        payment__reference=reference,
        payment__state=PaymentState.CHALLENGE_REQUIRED,
        state=AttemptState.CHALLENGE_REQUIRED,
    )
)
_RETURNED = Compiled(
    lambda payment, token_hash: Attempt.objects.select_for_update(no_key=True).filter(
        payment_id=payment, challenge_token_hash=token_hash
    )
)


def _require_time_left(attempt: Attempt) -> None:
    if attempt.challenge_expires_at is None or attempt.challenge_expires_at < timezone.now():
        raise TokenRejected("The challenge took too long.", is_expired=True)


def _token_of(attempt: Attempt) -> str:
    """Return the token of the present challenge, even if an earlier secret key has made it."""
    tokens = (token for token in tokens_for(attempt) if hash_of(token) == attempt.challenge_token_hash)
    return next(tokens, token_for(attempt))


def _is_ours(attempt: Attempt, transaction_id: str, merchant_data: str) -> bool:
    """Return True if the returned values equal the sent ones. Only staff see this, since browsers may lie."""
    sent = (attempt.challenge or {}).get("transaction_id", "")
    return hmac.compare_digest(transaction_id.encode(), str(sent).encode()) and hmac.compare_digest(
        merchant_data.encode(), attempt.order_code.encode()
    )


def _is_earlier_token(payment: Payment, token: str) -> bool:
    """Return True for the token of an earlier challenge of this payment, as from the browser's history."""
    return any(
        hmac.compare_digest(earlier.encode(), token.encode())
        for attempt in payment.attempts.all()
        for number in range(1, attempt.challenge_count + 1)
        for earlier in tokens_for(attempt, number)
    )
