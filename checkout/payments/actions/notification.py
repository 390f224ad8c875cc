"""Store a provider's notification. It is acknowledged after that, and applied later.

The process that stores a notification sends the command to apply it. If that fails, a timer
(``timers/unmatched.py``) writes the same command to the outbox.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog
from django.db import transaction
from django.utils import timezone

from checkout.conf.networks import address_of
from checkout.database.remembered import Remembered
from checkout.errors import (
    NotificationFormatNotSupported,
    NotificationRejected,
    ProviderAccountNotFound,
    SenderNotAllowed,
)
from checkout.payments.actions.order_code import payment_in
from checkout.payments.books.compare_notifications import may_be_told_twice
from checkout.payments.messages import ApplyNotification
from checkout.payments.models import ProviderAccount, ProviderNotification
from checkout.payments.providers.base import Acknowledgement, Notification, Provider
from checkout.payments.providers.proof import read_networks
from checkout.payments.providers.registry import get_provider
from checkout.payments.providers.statements import from_json, to_json
from checkout.privacy.scrubbing import REASON_LENGTH, scrub_text
from messaging.compiled_queries import Compiled, insert_unless_known
from messaging.conf import conf as messaging_conf
from messaging.envelope import Envelope, command_envelope

# The largest body that is read. An excerpt of a larger body is stored.
MAX_BYTES = 65_536
EXCERPT = ProviderNotification.EXCERPT

State = ProviderNotification.State

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Recorded:
    """The answer to the provider, and the command to apply the notification.

    ``owed`` is None if the notification was stored before or cannot be read.
    """

    acknowledgement: Acknowledgement
    owed: Envelope | None


@dataclass(frozen=True, slots=True)
class _Reading:
    """The result of reading a body: its statements, or the reason for which it cannot be read."""

    statements: Sequence[Notification] | None = None
    fault: str = ""
    refusal: NotificationFormatNotSupported | None = None

    @property
    def payment_reference(self) -> str:
        return payment_in(self.statements[0].order_code) if self.statements else ""


def record_notification(
    account_code: str, body: bytes, *, is_proven: bool = False, sender: str = ""
) -> Recorded:
    """Store a notification. Equal bodies are stored once, and are proven as soon as one copy is proven.

    The caller publishes the command. If the caller fails, a timer does so after the grace period. A body that
    cannot be read is stored for staff and acknowledged, because the provider would otherwise hold back all
    later notifications.

    ``is_proven`` says that the notification came over a channel that only the provider can use (see
    ``providers.proof``). ``sender`` is the IP address from which it came. If this address is outside the
    account's networks, even a notification over that channel is only a hint. It is not refused, because
    Worldpay changes its addresses, and asks that none of them is blocked
    (developer.worldpay.com/docs/wpg/reference/wpgbestpractice/).

    Raises ``ProviderAccountNotFound``. Without the channel, raises ``SenderNotAllowed`` for an address
    outside the networks and, after storing the notification, ``NotificationFormatNotSupported`` for the
    format of another product.
    """
    account = _ACCOUNT.first(account_code)
    if account is None:
        raise ProviderAccountNotFound("There is no such provider account.")
    is_trusted = is_proven and _is_expected(account, sender)
    if not is_proven and not _is_expected(account, sender):
        raise SenderNotAllowed("This address does not send notifications to this account.")
    if is_proven and not is_trusted:
        log.warning("notification from another address is a hint", account=account.code, sender=sender)
    provider = get_provider(account.opened())
    reading = _read(provider, body)
    row = ProviderNotification(
        account=account,
        digest=hashlib.sha256(body).hexdigest(),
        # Anybody can send any number of notifications without a secret, so only a little of each is stored.
        body=_kept(provider, body, is_whole=is_proven),
        statements=None
        if reading.statements is None
        else to_json(provider, reading.statements, is_hint=not is_proven),
        is_proven=is_trusted,
        state=State.RECEIVED if reading.statements is not None else State.UNREADABLE,
        reason=scrub_text(reading.fault)[:REASON_LENGTH],
    )
    if row.state == State.RECEIVED:
        row.next_try_at = timezone.now() + timedelta(seconds=messaging_conf.outbox_grace_seconds)
    is_news = insert_unless_known(row) or _is_news_of_known(row)
    if row.state == State.UNREADABLE and is_news:
        # Anybody can send a hint, so an unreadable one is not worth an alarm.
        report = log.error if is_trusted else log.warning
        report(
            "notification needs attention",
            notification=row.pk,
            account=account.code,
            state=row.state,
            reason=row.reason,
        )
    if reading.refusal is not None and not is_proven:
        # An unreadable proven notification is acknowledged, because the provider would hold back later ones.
        raise reading.refusal
    owed = _command(row, reading) if is_news and row.state == State.RECEIVED else None
    return Recorded(provider.acknowledgement(), owed)


def _command(row: ProviderNotification, reading: _Reading) -> Envelope:
    body = ApplyNotification(notification=row.pk)
    return command_envelope(body.to, body, subject=reading.payment_reference, message_id=row.command_id)


def payment_named_by(row: ProviderNotification) -> str:
    """Return the reference of the payment that a stored notification names; "" if it could not be read."""
    return _Reading(from_json(row.statements).first).payment_reference


_ACCOUNT = Remembered(Compiled(lambda code: ProviderAccount.objects.filter(code=code)))


def _read(provider: Provider, body: bytes) -> _Reading:
    if len(body) > MAX_BYTES:
        return _Reading(fault=f"has {len(body)} bytes: at most {MAX_BYTES} are read")
    try:
        return _Reading(provider.parse_notification(body))
    except NotificationFormatNotSupported as error:
        return _Reading(fault=str(error), refusal=error)
    except NotificationRejected as error:
        return _Reading(fault=str(error))
    except Exception as error:
        log.exception("parser of notifications failed", account=provider.account.code)
        return _Reading(fault=f"the parser failed: {type(error).__name__}")


def _kept(provider: Provider, body: bytes, *, is_whole: bool) -> str:
    """Return the text to store for a body: all of it, or an excerpt."""
    # PostgreSQL stores no NUL.
    text = provider.scrub(body if len(body) <= MAX_BYTES else body[:EXCERPT]).replace("\0", "\ufffd")
    return text if is_whole else text[:EXCERPT]


@transaction.atomic
def _is_news_of_known(row: ProviderNotification) -> bool:
    """Count another copy of a stored body. Return True if this copy is to be applied as well.

    A proven copy is applied if the stored notification was not proven, or was not applied. The stored row is
    then reset.
    """
    known = ProviderNotification.objects.select_for_update().get(account=row.account, digest=row.digest)
    row.pk = known.pk
    known.copies += 1
    is_news = row.is_proven and (not known.is_proven or _is_applied_anew(known, row))
    if is_news:
        known.is_proven = True
        # Perhaps only an excerpt of the hint was stored. Erased text stays erased.
        known.body = row.body if known.body else ""
        known.statements = row.statements
        known.state = row.state
        known.reason = row.reason
        known.tries, known.next_try_at, known.applied_at = 0, row.next_try_at, None
        known.dealt_with_at, known.dealt_with_by, known.dealt_with_note = None, "", ""
    # Providers often repeat notifications, so a mere copy does not write the body again.
    known.save(update_fields=None if is_news else ["copies"])
    return is_news


def _is_applied_anew(known: ProviderNotification, copy: ProviderNotification) -> bool:
    """Return True if a copy is to be applied although the stored notification was proven.

    The cause of its problem may have been repaired, for example the account's merchant code or a defect of
    our parser. Statements that were applied before are not applied twice, because each is a fact. If staff
    have dealt with a contradiction, they may have entered its content by hand. A copy may also report a
    second, equal event.
    """
    if copy.state != State.RECEIVED:
        return False
    is_left_to_staff = known.state in (State.CONFLICTED, State.UNMATCHED)
    if known.state == State.UNREADABLE or (is_left_to_staff and known.dealt_with_at is None):
        return True
    return known.state == State.APPLIED and any(map(may_be_told_twice, from_json(copy.statements).first))


def _is_expected(account: ProviderAccount, sender: str) -> bool:
    """Return True if the account takes notifications from this address. Raises ``ProviderMisconfigured``."""
    # If the list of networks has an error, all addresses are refused. The provider repeats refused
    # notifications.
    networks = read_networks(account.options)
    if networks is None:
        return True
    try:
        address = address_of(sender)
    except ValueError:
        return False
    return any(address in network for network in networks)
