"""The facts about the present work in every line of the log."""

from collections.abc import Mapping, MutableMapping
from typing import Any

from django.http import HttpRequest

from messaging.logs import work

# The gateway's names of facts that messaging calls otherwise.
_NAMES = {"subject": "payment"}


def add_work(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Add the facts that the line does not have itself (a structlog processor)."""
    for name, value in work.facts().items():
        event.setdefault(_NAMES.get(name, name), value)
    return event


def payment_in(request: HttpRequest) -> Mapping[str, object]:
    """Return the payment that a request's address names, if it names one, as its subject."""
    match = request.resolver_match
    reference = str(match.kwargs.get("reference", "")) if match is not None else ""
    return {"subject": reference} if reference.startswith("pay_") else {}
