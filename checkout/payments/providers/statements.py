"""The statements of a notification as JSON, as they are stored until they are applied.

They are read from the original body, never from the stored one. Parts of the stored body are masked: too wide
a mask could change a statement, or remove it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from checkout.money import Money
from checkout.payments.providers.base import EventKind, Notification, Provider

# The most statements of one notification that are applied; the others are left to staff. No provider sends so
# many, and each takes time under a lock.
MOST_STATEMENTS = 50
# The most statements of a hint, and the most references in each. Anybody can send a hint, and it only makes a
# saga ask the provider.
MOST_OF_HINT = 5
# The most characters of a name. None of our names is as long.
MAX_NAME = 200


@dataclass(frozen=True, slots=True)
class Statements:
    """The statements that may be applied, and the number of all statements."""

    first: Sequence[Notification]
    count: int

    @classmethod
    def of(cls, made: Sequence[Notification]) -> "Statements":
        return cls(made[:MOST_STATEMENTS], len(made))


def to_json(provider: Provider, made: Sequence[Notification], *, is_hint: bool = False) -> dict[str, Any]:
    """Return the first statements as JSON. Their names contain neither card numbers nor secrets.

    Our own references contain neither, so they are stored unchanged.
    """

    @cache
    def clean(name: str) -> str:
        if name == provider.account.merchant_code:
            return name
        # PostgreSQL stores neither NUL nor unpaired surrogates.
        whole = name.replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace")
        return provider.scrub(whole)[:MAX_NAME]

    most = MOST_OF_HINT if is_hint else MOST_STATEMENTS
    most_references = MOST_OF_HINT if is_hint else None
    return {
        "count": len(made),
        "first": [
            {
                "merchant_code": clean(each.merchant_code),
                "order_code": clean(each.order_code),
                "kind": each.kind.value,
                "event": clean(each.event),
                "amount": [each.amount.minor, each.amount.currency] if each.amount else None,
                "reference": clean(each.reference),
                "references": [clean(reference) for reference in each.references[:most_references]],
                "event_id": clean(each.event_id),
                "is_identity": each.is_identity,
                "is_known": each.is_known,
            }
            for each in made[:most]
        ],
    }


def from_json(stored: dict[str, Any] | None) -> Statements:
    """Return the statements that ``to_json`` has written, or none if the notification could not be read."""
    if stored is None:
        return Statements((), 0)
    return Statements([_read(each) for each in stored["first"]], stored["count"])


def _read(stored: dict[str, Any]) -> Notification:
    amount = stored["amount"]
    return Notification(
        **stored
        | {
            "kind": EventKind(stored["kind"]),
            "amount": None if amount is None else Money(*amount),
            "references": tuple(stored["references"]),
        }
    )
