"""The hash chain of the audit log, and its verification.

The chain shows that no entry was changed, left out or inserted. It cannot show that the last entries were cut
off, or that the whole chain was replaced. For that, keep an earlier digest outside the database.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC

from checkout.audit.models import AuditEntry

BATCH = 1_000


@dataclass(frozen=True, slots=True)
class Anchor:
    """The number and the digest of an entry, which were kept outside the database."""

    number: int
    digest: str


@dataclass(frozen=True, slots=True)
class Verified:
    """The result of a verification: how many entries are valid, the last digest, and the first fault."""

    entries: int
    digest: str
    erased: int
    fault: str = ""


def canonical(value: object) -> str:
    """Return JSON whose text is the same for equal values."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)


def sha256_of(text: str) -> str:
    """Return the SHA-256 of a text, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def digest_of(entry: AuditEntry) -> str:
    """Return the digest that an entry should have. It includes the digest of the previous entry."""
    return sha256_of(
        canonical(
            [
                *(entry.id, entry.at.astimezone(UTC).isoformat(timespec="microseconds")),
                *(entry.by, entry.by_user, entry.origin, entry.action, entry.what),
                *(entry.table, entry.row, entry.name, entry.merchant, entry.payment),
                *(entry.details_digest, entry.previous),
            ]
        )
    )


def verify(anchor: Anchor | None = None) -> Verified:
    """Read the whole log, and compare each entry with its digest and with the previous entry."""
    number, digest, erased = 0, "", 0
    is_anchored = anchor is None
    for entry in _entries():
        fault = _fault(entry, number, digest)
        if not fault and anchor is not None and entry.id == anchor.number:
            is_anchored = True
            fault = "" if entry.digest == anchor.digest else f"its digest was {anchor.digest} before"
        if fault:
            return Verified(number, digest, erased, f"Entry {number + 1} is wrong: {fault}.")
        number, digest = entry.id, entry.digest
        erased += not entry.details and entry.details_digest != sha256_of("")
    fault = "" if is_anchored or anchor is None else f"The log ends before entry {anchor.number}."
    return Verified(number, digest, erased, fault)


def _entries() -> Iterator[AuditEntry]:
    last = 0
    while batch := list(AuditEntry.objects.filter(id__gt=last).order_by("id")[:BATCH]):
        yield from batch
        last = batch[-1].id


def _fault(entry: AuditEntry, number: int, digest: str) -> str:
    """Return the reason why ``entry`` cannot follow the entry with this number and digest, or ""."""
    if entry.id != number + 1:
        return f"it is missing, and entry {entry.id} follows"
    if entry.previous != digest:
        return "it does not continue the entry before"
    if entry.details and sha256_of(entry.details) != entry.details_digest:
        return "its details were changed"
    return "" if digest_of(entry) == entry.digest else "it was changed"
