"""Requests generated from the OpenAPI document: made more useful, then sent, and their answers checked."""

from collections.abc import Mapping, Sequence
from typing import Any
from zlib import crc32

import schemathesis
from schemathesis import Case
from schemathesis.checks import CheckFunction
from schemathesis.core.parameters import ParameterLocation
from schemathesis.schemas import BaseSchema
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from scripts.openapi import PAGE

# Values that also pass the checks of meaning, which no schema can express.
MEANINGFUL: Mapping[str, Any] = {
    "amount": 1,
    "currency": "EUR",
    "return_url": "",
    "cancel_url": "",
    "locale": "en",
    "customer_email": "ada@shop.example",
    "contact_email": "",
    "expires_at": None,
    # Nothing listens there.
    "url": "http://localhost:9/webhooks",
}
# An optional field whose right value depends on the effects of other requests.
LEFT_OUT = "expected_refundable"

# Ids of existing objects by their prefix, such as "pay".
Known = Mapping[str, Sequence[str]]


def loaded() -> BaseSchema:
    """Return the schema of the document that is served."""
    return schemathesis.openapi.from_path(PAGE)


def aim(case: Case, known: Known) -> None:
    """Let the request name objects that exist, and give half of the correct bodies meaningful values.

    The changes depend only on the case, so that a failure can be repeated.
    """
    for name, value in (case.path_parameters or {}).items():
        prefix = str(value).partition("_")[0]
        if is_correct(case, ParameterLocation.PATH) and known.get(prefix):
            case.path_parameters[name] = known[prefix][_number(value) % len(known[prefix])]
    body = case.body
    if isinstance(body, dict) and is_correct(case, ParameterLocation.BODY) and _number(body) % 2:
        case.body = {name: MEANINGFUL.get(name, value) for name, value in body.items() if name != LEFT_OUT}


def is_correct(case: Case, location: ParameterLocation) -> bool:
    """Return True if this part of the request follows the document."""
    part = case.meta.components.get(location) if case.meta else None
    return part is None or part.mode.is_positive


def call(case: Case, headers: Mapping[str, str], **options: Any) -> None:
    """Send the request and run all checks but two on the answer. Raises an ``AssertionError``.

    Two checks are left out: a valid currency, order or cursor is a known one, which no schema can express;
    and headers are texts, so a number in place of a text is a text, too.
    """
    not_checked: list[CheckFunction] = [positive_data_acceptance]
    if not is_correct(case, ParameterLocation.HEADER):
        not_checked.append(negative_data_rejection)
    case.call_and_validate(headers=dict(headers), excluded_checks=not_checked, **options)


def _number(value: object) -> int:
    return crc32(repr(value).encode(errors="backslashreplace"))
