"""Arguments of commands: texts in UTF-8, and times."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone


def require_utf8(options: Mapping[str, Any], returncode: int = 1) -> None:
    """Raise CommandError if a text is not UTF-8, as one that was typed in a terminal of another encoding.

    No database can store it, or look for it.
    """
    for name, value in options.items():
        if isinstance(value, str) and any("\ud800" <= letter <= "\udfff" for letter in value):
            raise CommandError(f"The argument {name} is not in UTF-8: {value!r}.", returncode=returncode)


def moment_of(text: str, returncode: int = 1) -> datetime:
    """Return a time that was given in ISO 8601, which is UTC without a zone. Raises CommandError."""
    try:
        moment = datetime.fromisoformat(text)
        return (moment if timezone.is_aware(moment) else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise CommandError(f"{text!r} is no time in ISO 8601.", returncode=returncode) from error
