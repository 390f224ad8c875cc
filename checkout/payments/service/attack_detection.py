"""Counts of tried cards. They detect attackers who test whole lists of cards.

A card is counted in the transaction in which its attempt ends.
"""

from math import ceil

import structlog
from django.db.models import Q
from django.template.defaultfilters import pluralize
from django.utils import timezone

from checkout.conf import conf
from checkout.payments.models import AttackModeChange, Attempt, CardTrial, Merchant
from checkout.payments.providers.base import RefusalReason
from checkout.privacy import pseudonyms
from messaging.compiled_queries import insert_unless_known

log = structlog.get_logger(__name__)

# Refusals that say nothing about the card. If they counted, an outage of a provider would block shoppers.
NOT_OF_THE_CARD = frozenset(
    {
        RefusalReason.CANCELLED,
        RefusalReason.CARD_NOT_RECEIVED,
        RefusalReason.INVALID_REQUEST,
        RefusalReason.ISSUER_UNAVAILABLE,
        RefusalReason.PROVIDER_ERROR,
    }
)


def count_card(attempt: Attempt, *, is_declined: bool) -> None:
    """Count the card of an attempt that has just been authorised or declined.

    Saved cards are not counted, because strangers cannot try them: a merchant's monthly charges are no
    attack.
    """
    if attempt.saved_card_id is not None:
        return
    address = attempt.browser.get("ip_address", "")
    if pseudonyms.is_trying_out(address) or (is_declined and attempt.refusal_reason in NOT_OF_THE_CARD):
        return
    client = pseudonyms.of_client(address)
    if not is_declined and not client:
        return
    payment = attempt.payment
    trial = CardTrial(
        attempt=attempt,
        merchant_id=payment.merchant_id,
        client=client,
        email=pseudonyms.of_email(payment.shopper_email),
        is_declined=is_declined,
    )
    if insert_unless_known(trial) and is_declined:
        _protect(payment.merchant_id)


def _protect(merchant_pk: int) -> None:
    """Begin the attack mode of a merchant with many declines. It ends by itself, and may begin again."""
    now, most = timezone.now(), conf.declines_per_merchant
    declines = CardTrial.objects.filter(
        merchant=merchant_pk, is_declined=True, answered_at__gt=now - conf.declines_window
    ).order_by()
    if not declines[most - 1 : most].exists():
        return
    # Staff who ended the attack mode knew of the declines until then.
    by_staff = AttackModeChange.objects.filter(merchant=merchant_pk).exclude(by="")
    decided_at = by_staff.values_list("changed_at", flat=True).first()
    if decided_at and not declines.filter(answered_at__gt=decided_at)[most - 1 : most].exists():
        return
    is_not_yet = Q(attacked_until=None) | Q(attacked_until__lte=now)
    automatic = Merchant.AttackMode.AUTOMATIC
    merchants = Merchant.objects.filter(is_not_yet, pk=merchant_pk, attack_mode=automatic)
    if merchants.update(attacked_until=now + conf.declines_window):
        minutes = ceil(conf.declines_window.total_seconds() / 60)
        reason = (
            f"{most} card{pluralize(most)} or more were declined within {minutes} minute{pluralize(minutes)}."
        )
        AttackModeChange.objects.create(merchant_id=merchant_pk, mode=automatic, reason=reason)
        log.error("card testing suspected, attack mode begins", merchant=merchant_pk, declines=most)
