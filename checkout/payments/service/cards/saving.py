"""Save a card with its approved attempt, or delete it with a refused one.

The payment and the attempt must be locked.
"""

from datetime import datetime

import structlog
from django.db.models import Q
from django.utils import timezone

from checkout.conf import conf
from checkout.payments.models import Attempt, SavedCard
from checkout.payments.providers.base import ProviderResult, Verb
from checkout.payments.providers.saved_cards import IssuedToken
from messaging.compiled_queries import insert_unless_known, update_in_batch

log = structlog.get_logger(__name__)

DELETED_MEANWHILE = "gateway: its token was just being deleted"
NOT_APPROVED = "gateway: its payment was refused"
# The settling times to wait before a deletion. Meanwhile a shopper may try the same card again, whose token
# is the same.
TIMES_FOR_ANOTHER_TRY = 3


def keep_card(attempt: Attempt, result: ProviderResult) -> None:
    """Save the card for later, or renew the card with the same token. The payment does not depend on it."""
    if result.token is None:
        log.warning("card not saved", attempt=attempt.order_code, reason=result.token_fault or "no token")
        return
    # If another payment is saving the same token just now, the constraint makes this insertion wait for it,
    # and then refuses it. That payment's card is renewed instead, unless it was removed in that moment.
    while not _kept(attempt, result.token):
        log.info("card saved at once by another payment", attempt=attempt.order_code)


def drop_card(attempt: Attempt, token: IssuedToken) -> None:
    """Plan the deletion of the card of a refused payment. The provider keeps it despite the refusal.

    The deletion is not needed if the card was saved before, or if another deletion is planned and has not
    begun.
    """
    is_planned = Q(deletion_asked_at=None) & ~Q(token_to_delete="")
    known = SavedCard.ever_with_token(attempt.payment.merchant_id, token.token)
    if known.filter(Q(state=SavedCard.State.ACTIVE) | is_planned).exists():
        return
    card = SavedCard.of(attempt, token)
    card.remove(NOT_APPROVED)
    card.deletion_due_at = timezone.now() + TIMES_FOR_ANOTHER_TRY * conf.settling_time
    insert_unless_known(card)


def note_use(card: SavedCard) -> None:
    """Clear the last day of a token that was charged, because the charge may have prolonged the token.

    From then on only the provider decides whether the token is valid.
    """
    if card.valid_until is not None:
        card.valid_until = None
        update_in_batch(card, "valid_until")


def _kept(attempt: Attempt, token: IssuedToken) -> bool:
    """Renew the cards with this token, or insert one. Return False if another payment was first.

    A token has no version. If the token is just being deleted, because its card was removed before, the
    provider may have given us the old token, or may delete the new one. The new card is then written as
    removed, so that it cannot be used and its token is deleted. The answer may come hours later, when the
    removed card has been erased.
    """
    # Locked in the order in which removals lock them, to avoid deadlocks.
    rows = SavedCard.ever_with_token(attempt.payment.merchant_id, token.token)
    same = list(rows.select_for_update(no_key=True))
    known = [
        card
        for card in same
        if card.state == SavedCard.State.ACTIVE and card.provider_account_id == attempt.provider_account_id
    ]
    for card in known:
        card.renew(attempt.payment, token)
        update_in_batch(card, "payment", "expiry", "valid_until", "scheme_transaction")
    if known:
        return True
    same += SavedCard.erased_like(attempt.payment.merchant_id, token)
    new, asked_at = SavedCard.of(attempt, token), _asked_at(attempt) if same else None
    if asked_at is not None and any(card.may_be_deleted_after(asked_at) for card in same):
        log.warning("card not saved", attempt=attempt.order_code, reason="its token was just being deleted")
        new.remove(DELETED_MEANWHILE)
    return insert_unless_known(new)


def _asked_at(attempt: Attempt) -> datetime | None:
    """Return a time, by the database's clock, that is certainly before the request to keep the card."""
    calls = attempt.provider_calls.filter(verb=Verb.AUTHORISE).order_by("started_at")
    return calls.values_list("started_at", flat=True).first()
