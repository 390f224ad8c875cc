"""Storage of dead letters in the database until staff have dealt with them."""

import structlog
from django.db.models import F
from django.utils import timezone
from msgspec.structs import replace

from checkout.payments.models import DeadLetter
from checkout.privacy.scrubbing import scrub_text
from messaging.dead_letters.letter import ALTERED, OWN_HEADERS, QUEUE, REASON, SENDER, SERVICE
from messaging.envelope import Envelope
from messaging.storable import fingerprint_of

log = structlog.get_logger(__name__)


def keep(letter: Envelope) -> None:
    """Store a dead letter, or count it if this message has been dead-lettered before.

    Anybody may have written it, so everything is scrubbed and cut to length before it is stored. If that
    altered the message, a header says so.
    """
    body = letter.body.decode(errors="replace")
    clean_body = _clean(body)
    headers = {
        _clean(name): value if isinstance(value, int) else _clean(value)
        for name, value in letter.headers.items()
        if name not in OWN_HEADERS
    }
    altered = _told(letter, ALTERED)[:50] or ("scrubbed" if clean_body != body else "")
    if altered:
        headers[ALTERED] = altered
    death = {
        "service": _told(letter, SERVICE)[:50],
        "queue": _told(letter, QUEUE)[:255],
        "reason": _told(letter, REASON)[:500],
        "died_at": timezone.now(),
    }
    sender = _told(letter, SENDER)[:255]
    row, is_new = DeadLetter.objects.get_or_create(
        fingerprint=_sent_again(letter) or fingerprint_of(replace(letter, user_id=sender)),
        defaults={
            "message_id": _clean(letter.message_id)[:64],
            "sender_user": sender,
            "sender_app": _clean(letter.app_id)[:255],
            "type": _clean(letter.type)[:100],
            "subject": _clean(letter.subject)[:100],
            "correlation_id": _clean(letter.correlation_id)[:120],
            "reply_to": _clean(letter.reply_to)[:255],
            "body": clean_body,
            "headers": headers,
            **death,
        },
    )
    if not is_new:
        DeadLetter.objects.filter(pk=row.pk).update(
            copies=F("copies") + 1,
            requeued_at=None,
            requeued_by="",
            dealt_with_at=None,
            dealt_with_by="",
            dealt_with_note="",
            **death,
        )
    log.error("dead letter kept", type=row.type, queue=death["queue"], subject=row.subject, is_new=is_new)


def _sent_again(letter: Envelope) -> str | None:
    """Return the fingerprint of a letter that staff had sent again, and that the relay published."""
    message_id = _clean(letter.message_id)[:64]
    for row in DeadLetter.objects.filter(message_id=message_id, requeued_at__isnull=False):
        as_it_was = replace(letter, user_id=row.sender_user, app_id=row.sender_app)
        if row.fingerprint == fingerprint_of(as_it_was):
            return row.fingerprint
    return None


def _told(letter: Envelope, header: str) -> str:
    return _clean(str(letter.headers.get(header, "")))


def _clean(text: str) -> str:
    """Return the text scrubbed, and without NUL, which PostgreSQL's text cannot contain."""
    return scrub_text(text.replace("\0", "\N{REPLACEMENT CHARACTER}"))
