"""Defence against card testing: checks before another card is tried for a payment.

They run in the transaction that would create the attempt. A refused try costs one query more than reading the
payment. It creates no attempt and no message, sends nothing to the provider, and does not use up the
payment's attempts. The risk service could only refuse later, when the HTTP response can no longer say when to
try again. A card is counted when it has been answered, so a limit may be exceeded by the number of cards that
wait for an answer.
"""

from collections.abc import Sequence
from datetime import timedelta
from math import ceil

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from checkout.conf import conf
from checkout.errors import CaptchaRequired, OperationRejected, PatienceRequired, TooManyAttempts
from checkout.payments.models import AttackModeChange, CardTrial, Merchant, Payment
from checkout.privacy import pseudonyms
from checkout.privacy.scrubbing import scrub_note


def require_few_declines(payment: Payment, address: str) -> None:
    """Raise ``TooManyAttempts`` if many cards were declined from the address or for the e-mail address."""
    if pseudonyms.is_trying_out(address):
        return
    client, email = pseudonyms.of_client(address), pseudonyms.of_email(payment.shopper_email)
    limits = {client: conf.declines_per_address, email: conf.declines_per_email}
    limits.pop("", None)
    if not limits:
        return
    now = timezone.now()
    is_theirs = Q(client=client) if client else Q(pk=None)
    is_theirs |= Q(email=email) if email else Q(pk=None)
    declines = _trials_like(payment.merchant).filter(
        is_theirs, is_declined=True, answered_at__gt=now - conf.declines_window
    )
    declines = declines.order_by("-answered_at")
    # The newest declines suffice to show which limits are exceeded.
    rows = list(declines.values_list("client", "email", "answered_at")[: sum(limits.values())])
    waits: Sequence[timedelta] = [
        times[most - 1] + conf.declines_window - now
        for key, most in limits.items()
        if len(times := [at for *keys, at in rows if key in keys]) >= most
    ]
    if waits:
        raise TooManyAttempts(
            "Too many cards were declined.", retry_after_seconds=max(1, ceil(max(waits).total_seconds()))
        )


def requires_captcha(merchant: Merchant) -> bool:
    """Return True if a shopper of this merchant must solve a CAPTCHA before the card form."""
    return conf.has_captcha and (conf.is_captcha_always_asked or merchant.is_under_attack)


def require_wait_or_captcha(merchant: Merchant, address: str, *, has_waited: bool, has_solved: bool) -> None:
    """Raise ``CaptchaRequired`` or ``PatienceRequired`` if the shopper must solve a CAPTCHA or wait first."""
    if requires_captcha(merchant) and not has_solved:
        raise CaptchaRequired("There is a CAPTCHA to solve first.")
    if has_waited or not merchant.is_under_attack:
        return
    client = pseudonyms.of_client(address)
    if client and not _trials_like(merchant).filter(client=client, is_declined=False).exists():
        raise PatienceRequired("An address that is new here waits for its turn.")


def _trials_like(merchant: Merchant) -> QuerySet[CardTrial]:
    """Return the tries with real cards for a live merchant, and those with test cards for a test merchant.

    Test cards are free. If they counted for live merchants, a stranger could lock out other people's e-mail
    addresses with declined cards, and pass as an earlier customer with an approved card.
    """
    return CardTrial.objects.filter(merchant__is_live=merchant.is_live)


@transaction.atomic
def set_attack_mode(merchant_pk: int, mode: str, *, by: str, reason: str) -> None:
    """Set a merchant's attack mode to ``on``, ``off``, or ``automatic``, which begins after many declines.

    An attack mode that has begun after declines ends. Raises ``OperationRejected`` if there is no such
    merchant, or if it has this mode already.
    """
    merchant = Merchant.objects.select_for_update(no_key=True).filter(pk=merchant_pk).first()
    if merchant is None:
        raise OperationRejected("There is no such merchant.")
    if merchant.attack_mode == mode and merchant.attacked_until is None:
        raise OperationRejected(f"The attack mode is {mode} already.")
    merchant.attack_mode = Merchant.AttackMode(mode)
    merchant.attacked_until = None
    merchant.save(update_fields=["attack_mode", "attacked_until"])
    AttackModeChange.objects.create(merchant=merchant, mode=mode, by=by[:150], reason=scrub_note(reason))
