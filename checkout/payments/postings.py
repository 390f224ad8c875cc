"""Postings to the ledger that are on their way: commands that the ledger will or should still carry out."""

from collections.abc import Iterable
from contextlib import suppress

import msgspec
from django.utils import timezone

from checkout.conf import conf
from checkout.ledger.books import made_of
from checkout.ledger.messages import PostEntries
from checkout.payments.models import DeadLetter, OutboxMessage, RetentionWalk
from messaging.access.proofs import is_proven
from messaging.envelope import PROOF
from messaging.libraries import typed

# The name of the walk through the sent messages: it passes a posting that is made, or left to staff.
WALK = "payments_outboxmessage"


def is_posting(payment: str) -> bool:
    """Return True if a posting of this payment is on its way to the ledger, or is missing there."""
    return bool(_missing(payment))


def is_still_posting(payment: str) -> bool:
    """Return True if a posting of this payment is on its way to the ledger.

    A posting that the walk has passed was made. If it is missing now, the ledger has lost it, and only
    ``after-restore`` or staff send it again.
    """
    if not (missing := _missing(payment)):
        return False
    passed = RetentionWalk.objects.filter(table=WALK).values_list("last_pk", flat=True).first() or 0
    lately = timezone.now() - conf.service_wait
    return any(row.pk > passed or row.published_at is None or row.published_at > lately for row in missing)


def _missing(payment: str) -> list[OutboxMessage]:
    return unposted(OutboxMessage.objects.filter(subject=payment, type=PostEntries.to))


def unposted(told: Iterable[OutboxMessage]) -> list[OutboxMessage]:
    """Return those commands that the ledger will or should carry out, and has not carried out so far.

    A command that has become a dead letter is left to staff, unless its proof was made with a key that is no
    longer valid.
    """
    names: dict[OutboxMessage, str] = {}
    for row in told:
        with suppress(msgspec.DecodeError):  # a dead letter that is no posting, sent again
            names[row] = typed.decode(row.body, PostEntries).name
    made = made_of(names.values())
    rows = [row for row, name in names.items() if name not in made]
    letters = _dead(rows)
    return [row for row in rows if row.message_id not in letters or has_an_old_proof(row)]


def _dead(rows: Iterable[OutboxMessage]) -> set[str]:
    """Return the ids of those messages that are dead letters, and that staff have not sent again."""
    named = [row.message_id for row in rows]
    dead = DeadLetter.objects.filter(message_id__in=named, requeued_at__isnull=True)
    return set(dead.values_list("message_id", flat=True)) if named else set()


def has_an_old_proof(row: OutboxMessage) -> bool:
    """Return True if the row was written with a proof that is no longer valid.

    A row without a proof, which staff may have made from a dead letter, must not get one.
    """
    return PROOF in row.headers and not is_proven(row.envelope())
