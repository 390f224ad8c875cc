"""The header ``Prefer`` (RFC 7240, sections 4.1 and 4.3): the time that a client waits for a result."""

from dataclasses import dataclass
from typing import Self
from urllib.request import parse_http_list

from checkout.conf import conf

MAX_DIGITS = 6


@dataclass(frozen=True, slots=True)
class PreferHeader:
    """The preferences in the header. ``wait_seconds`` is the client's ``wait``, or None."""

    responds_async: bool = False
    wait_seconds: int | None = None

    @classmethod
    def read(cls, header: str) -> Self:
        """Read the header's value. Unknown preferences are ignored. If one is repeated, the first counts."""
        given: dict[str, str] = {}
        for preference in parse_http_list(header):
            name, _, value = preference.partition(";")[0].partition("=")
            given.setdefault(name.strip().lower(), value.strip().strip('"'))
        wait = given.get("wait", "")
        is_number = wait.isascii() and wait.isdigit() and len(wait) <= MAX_DIGITS
        return cls("respond-async" in given, int(wait) if is_number else None)


@dataclass(frozen=True, slots=True)
class Preference:
    """The seconds for which a request is held, and the value of the answer's ``Preference-Applied``."""

    seconds: float
    applied: str = ""


def preference_in(header: str, *, is_held_by_default: bool) -> Preference:
    """Return the preference that is applied to the request.

    If a client sends both preferences, its ``wait`` counts (RFC 7240, section 4.3).
    """
    wanted = PreferHeader.read(header)
    if wanted.wait_seconds is not None:
        seconds = min(wanted.wait_seconds, conf.api_longest_wait_seconds)
        return Preference(seconds, f"wait={int(seconds)}")
    if wanted.responds_async:
        return Preference(0, "respond-async")
    seconds = conf.api_wait_seconds if is_held_by_default else 0
    return Preference(min(seconds, conf.api_longest_wait_seconds))
