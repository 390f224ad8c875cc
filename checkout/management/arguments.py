"""Checks of commands' arguments: texts in UTF-8, and times."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone


def require_utf8(options: Mapping[str, Any], returncode: int = 1) -> None:
    """Raise CommandError if a text is not UTF-8, for example because the terminal has another encoding.

    The database can neither store such a text nor search for it.
    """
    for name, value in options.items():
        if isinstance(value, str) and any("\ud800" <= letter <= "\udfff" for letter in value):
            raise CommandError(f"The argument {name} is not in UTF-8: {value!r}.", returncode=returncode)


def moment_of(text: str, returncode: int = 1) -> datetime:
    """Return the time in a text in ISO 8601, in UTC if it has no zone. Raises CommandError."""
    try:
        moment = datetime.fromisoformat(text)
        return (moment if timezone.is_aware(moment) else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise CommandError(f"{text!r} is no time in ISO 8601.", returncode=returncode) from error
