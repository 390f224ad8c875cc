"""The header Prefer (RFC 7240): how long a client waits for the result of its request."""

import re
from dataclasses import dataclass

from checkout.conf import conf

_PREFERENCE = re.compile(
    r'\s*([!#$%&\'*+.^_`|~\w-]+)\s*(?:=\s*(?:"([^"]*)"|([^\s,;"]*)))?\s*(?:;[^,]*)?', re.ASCII
)


@dataclass(frozen=True, slots=True)
class Preference:
    """The seconds that a request is held for, and what the answer says about the client's preference."""

    seconds: float
    applied: str = ""


def preference_in(header: str, *, is_held_by_default: bool) -> Preference:
    """Return the preference in the header's value. A preference that is not understood is ignored."""
    wait: int | None = None
    for part in header.split(",")[:10]:
        found = _PREFERENCE.fullmatch(part)
        if found is None:
            continue
        name, value = found[1].lower(), found[2] or found[3] or ""
        if name == "respond-async":
            return Preference(0, "respond-async")
        if name == "wait" and wait is None and re.fullmatch(r"\d{1,6}", value, re.ASCII):
            wait = int(value)
    if wait is None:
        seconds = conf.api_wait_seconds if is_held_by_default else 0
        return Preference(min(seconds, conf.api_longest_wait_seconds))
    seconds = min(wait, conf.api_longest_wait_seconds)
    return Preference(seconds, f"wait={int(seconds)}")
