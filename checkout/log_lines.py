"""The log processors that add facts about the present work to every line."""

from collections.abc import Mapping, MutableMapping
from typing import Any

from django.http import HttpRequest

from messaging.logs import work

# Facts with other names in the gateway than in messaging.
_NAMES = {"subject": "payment"}


def add_work(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Add the facts that the line does not contain yet (a structlog processor)."""
    for name, value in work.facts().items():
        event.setdefault(_NAMES.get(name, name), value)
    return event


def payment_in(request: HttpRequest) -> Mapping[str, object]:
    """Return the payment in a request's address as the subject of its log lines, if there is one."""
    match = request.resolver_match
    reference = str(match.kwargs.get("reference", "")) if match is not None else ""
    return {"subject": reference} if reference.startswith("pay_") else {}
