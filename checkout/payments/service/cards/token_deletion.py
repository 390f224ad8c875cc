"""Delete the token of a removed card at the provider, which keeps the card until we request this."""

from datetime import timedelta

import structlog
from django.db import transaction
from django.utils import timezone

from checkout.conf import conf
from checkout.errors import StoredSecretUnreadable
from checkout.payments.messages import DeleteToken
from checkout.payments.models import SavedCard
from checkout.payments.providers.base import Outcome, Provider, ProviderResult, Verb
from checkout.payments.providers.saved_cards import TOKEN_NOT_FOUND, KeptToken
from checkout.payments.service.provider_call import SendWindow, ask_provider
from checkout.payments.service.service import service
from messaging.outbox.clock import server_time
from messaging.worker.service import AlreadyHandled, CommandRejected, Message

log = structlog.get_logger(__name__)

LAPSES = "LAPSES"


class _LeftToStaff(str):
    """The reason for leaving a deletion to staff."""


@service.handles(DeleteToken, transactional=False, free=True)
def delete_token(command: DeleteToken, message: Message) -> None:
    """Ask the provider to delete a token, and plan the next request if the provider does not confirm it.

    A repeated request is harmless as long as none of our cards has the token, so the deletion is requested
    again after an unknown outcome. The request is checked and committed as an intent under the lock of the
    card's row, which a payment that saves a card with this token takes, too. No lock is held during the call.

    After the last try, the command is rejected and becomes a dead letter, which staff can send again. If the
    provider still does not find the token after days, the token does not exist.
    """
    window = SendWindow.opened()
    with transaction.atomic(durable=True):
        kept = _begin(command)
    if isinstance(kept, _LeftToStaff):
        raise CommandRejected("token_not_deleted", str(kept))
    if kept is None:
        with message.once():
            return

    def send(provider: Provider) -> ProviderResult:
        if not provider.deletes_tokens:
            return ProviderResult(outcome=Outcome.NOT_SENT, event=LAPSES)
        return provider.delete_token(kept)

    card = SavedCard.objects.select_related("provider_account").get(reference=command.card)
    result = ask_provider(card.provider_account, Verb.DELETE_TOKEN, send, window=window)
    if _is_last(command) and not _is_over(command, result):
        with transaction.atomic(durable=True):
            _conclude(command, result)
        raise CommandRejected("token_not_deleted", f"The provider has not deleted it: {result.event}")
    try:
        with message.once():
            _conclude(command, result)
    except AlreadyHandled:
        # Another copy of the command, which made no request, was recorded meanwhile.
        with transaction.atomic():
            _conclude(command, result)
        raise


def _begin(command: DeleteToken) -> KeptToken | _LeftToStaff | None:
    """Write the intent and return the token, or None if nothing is to be deleted now."""
    card = SavedCard.objects.select_for_update(no_key=True).filter(reference=command.card).first()
    if card is None or not card.token_to_delete or card.deletion_tries != command.number:
        return None
    now = timezone.now()
    if card.removed_at is None:
        return None
    if (settled_at := card.removed_at + conf.settling_time) > now:
        # A charge that began before the removal may still be on its way. If this command comes too early,
        # because the clocks of two processes differ, another one follows in time.
        card.deletion_due_at = settled_at
        card.save()
        return None
    try:
        kept = card.doomed()
    except StoredSecretUnreadable as error:
        card.deletion_due_at = None
        card.save()
        return _LeftToStaff(error)
    if _is_in_use(card, kept):
        _end(card, "another saved card has the token")
        return None
    card.deletion_tries += 1
    card.deletion_asked_at = server_time()
    # If this process ends before the answer is recorded, the timer repeats the request.
    card.deletion_due_at = now + conf.provider_wait
    card.save()
    return kept


def _is_in_use(card: SavedCard, kept: KeptToken) -> bool:
    """Return True if an active card has the same token. The removed card must be locked."""
    same = SavedCard.ever_with_token(card.merchant_id, kept.token)
    return same.filter(state=SavedCard.State.ACTIVE).exists()


def _conclude(command: DeleteToken, result: ProviderResult) -> None:
    """Record the provider's answer, unless another request has followed this one."""
    card = SavedCard.objects.select_for_update(no_key=True).get(reference=command.card)
    if not card.token_to_delete or card.deletion_tries != command.number + 1:
        return
    if result.outcome == Outcome.APPROVED:
        card.deleted_at = server_time()
        _end(card, "the provider has deleted it")
    elif result.event == LAPSES:
        _end(card, "the provider deletes no tokens")
    elif _is_over(command, result):
        _end(card, "the provider has not found it to the last")
    elif _is_last(command):
        # The number stays, so that staff can send the same command again.
        card.deletion_due_at, card.deletion_tries = None, command.number
        card.save()
    else:
        delay = conf.inquiry_delays[command.number]
        card.deletion_due_at = timezone.now() + timedelta(seconds=delay)
        card.save()
        log.warning("token not deleted yet", card=card.reference, said=result.event, next_try_in=delay)


def _is_over(command: DeleteToken, result: ProviderResult) -> bool:
    is_not_found = result.event == TOKEN_NOT_FOUND and _is_last(command)
    return result.outcome == Outcome.APPROVED or result.event == LAPSES or is_not_found


def _is_last(command: DeleteToken) -> bool:
    return command.number >= len(conf.inquiry_delays)


def _end(card: SavedCard, why: str) -> None:
    card.end_deletion()
    card.save()
    log.info("token erased", card=card.reference, reason=why)
