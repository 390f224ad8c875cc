"""Write the audit log, in the same transaction as the action that an entry records."""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from checkout.audit.chain import canonical, digest_of, sha256_of
from checkout.audit.models import AuditEntry
from checkout.privacy.scrubbing import scrub_note, scrub_text

# The key of the advisory lock that a writer holds until its transaction ends. No other lock uses this key.
_CHAIN = 0x6175646974
COMMAND_LINE = "command line"


@dataclass(frozen=True, slots=True)
class Author:
    """The user who acts, and the origin: a network address, or the command line."""

    name: str
    key: int | None
    origin: str


@dataclass(frozen=True, slots=True)
class Subject:
    """The row that an entry is about: its table as ``application.model``, its key and its name."""

    table: str = ""
    row: str = ""
    name: str = ""
    merchant: str = ""
    payment: str = ""


NOTHING = Subject()


@dataclass(frozen=True, slots=True)
class Details:
    """The reason for an action, and the changed values by field name."""

    why: str = ""
    before: Mapping[str, object] = field(default_factory=dict)
    after: Mapping[str, object] = field(default_factory=dict)


NO_DETAILS = Details()


def record(
    author: Author, action: str, what: str, about: Subject = NOTHING, details: Details = NO_DETAILS
) -> AuditEntry:
    """Append an entry, and return it.

    Other writers wait from this call to the end of the transaction, so that the chain does not fork. Call
    this function last in a short transaction, and lock nothing afterwards.
    """
    with transaction.atomic():
        _take_turn()
        last = AuditEntry.objects.order_by("-id").only("id", "digest").first()
        text = _text(details)
        entry = AuditEntry(
            id=last.id + 1 if last else 1,
            at=timezone.now(),
            by=author.name[:150],
            by_user=author.key,
            origin=author.origin[:60],
            action=action[:60],
            what=scrub_text(what)[:300],
            table=about.table,
            row=about.row[:64],
            name=about.name[:200],
            merchant=about.merchant,
            payment=about.payment,
            details=text,
            details_digest=sha256_of(text),
            previous=last.digest if last else "",
        )
        entry.digest = digest_of(entry)
        entry.save()
    return entry


def erase_details(payment: str) -> None:
    """Erase the values and reasons of the entries about a payment. The chain stays valid."""
    AuditEntry.objects.filter(payment=payment).exclude(details="").update(details="")


def _take_turn() -> None:
    """Wait for other writers. SQLite has only one writer at a time anyway."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_CHAIN])


def _text(details: Details) -> str:
    """Return the details as JSON, with random bits: nobody can guess erased details from the digest."""
    told: dict[str, Any] = {
        "why": scrub_note(details.why),
        "before": dict(details.before),
        "after": dict(details.after),
    }
    kept = {name: value for name, value in told.items() if value}
    return canonical({**kept, "salt": secrets.token_hex(16)}) if kept else ""


def details_of(entry: AuditEntry) -> Details:
    """Return the details of an entry; empty if there were none, or if they were erased."""
    told = json.loads(entry.details) if entry.details else {}
    return Details(told.get("why", ""), told.get("before", {}), told.get("after", {}))
