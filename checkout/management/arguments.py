"""Checks of the arguments of commands."""

from collections.abc import Mapping
from typing import Any

from django.core.management.base import CommandError


def require_utf8(options: Mapping[str, Any], returncode: int = 1) -> None:
    """Raise CommandError if a text is not UTF-8, as one that was typed in a terminal of another encoding.

    No database can store it, or look for it.
    """
    for name, value in options.items():
        if isinstance(value, str) and any("\ud800" <= letter <= "\udfff" for letter in value):
            raise CommandError(f"The argument {name} is not in UTF-8: {value!r}.", returncode=returncode)
