"""Encrypt the tokens of saved cards again with the newest secret key, so that earlier keys can be removed."""

import structlog
from django.db import IntegrityError, transaction

from checkout.errors import StoredSecretUnreadable
from checkout.payments.models import SavedCard
from checkout.payments.timers.table_walk import begin_again_if_due, locked_walk
from checkout.payments.timers.timer import BATCH, NOTHING, Work

WALK = "tokens of saved cards"

log = structlog.get_logger(__name__)


@transaction.atomic
def seal_tokens_again() -> Work:
    """Encrypt tokens in the next batch of saved cards again, if they need an earlier secret key.

    A walk through all cards begins a day after the last one, because processes without the newest key may
    have encrypted tokens in the meantime.
    """
    walk = locked_walk(WALK)
    if walk is None:
        return NOTHING
    if walk.is_at_end and not begin_again_if_due(walk):
        return NOTHING
    page = list(SavedCard.objects.order_by("pk").filter(pk__gt=walk.last_pk)[:BATCH])
    sealed, unreadable = 0, []
    for card in page:
        try:
            sealed += _seal_again(card)
        except StoredSecretUnreadable:
            unreadable.append(card.reference)
    if unreadable:
        log.error("tokens of saved cards unreadable", cards=len(unreadable), first=unreadable[0])
    if sealed:
        log.info("tokens of saved cards sealed again", cards=sealed)
    walk.is_at_end = len(page) < BATCH
    walk.last_pk = page[-1].pk if page else walk.last_pk
    walk.save()
    return Work(sealed, has_more=not walk.is_at_end)


def _seal_again(card: SavedCard) -> bool:
    """Return True if the card's token was encrypted again. A card that was changed meanwhile is skipped."""
    changes = card.sealed_again()
    if not changes:
        return False
    unchanged = SavedCard.objects.filter(
        pk=card.pk,
        sealed_token=card.sealed_token,
        token_to_delete=card.token_to_delete,
        token_hash=card.token_hash,
    )
    try:
        with transaction.atomic():
            return bool(unchanged.update(**changes))
    except IntegrityError:
        # Two processes with different secret keys have saved the same token at the same time.
        log.error("two saved cards have the same token, remove one of them", card=card.reference)
        return False
