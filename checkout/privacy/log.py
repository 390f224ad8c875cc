"""Removal of card data from log lines, as the last step before a line is written."""

from collections.abc import MutableMapping
from typing import Any

from checkout.privacy.scrubbing import scrub_text


def scrub_event(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Mask card numbers and secrets in every value of a log line (a structlog processor)."""
    for key, value in event.items():
        if value is not None and not isinstance(value, bool | int | float):
            event[key] = scrub_text(str(value))
    return event
