"""DRF's exception handler: every error becomes a problem document (RFC 9457)."""

from collections.abc import Iterator
from typing import Any

import msgspec
import structlog
from django.core.exceptions import BadRequest, SuspiciousOperation
from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse
from rest_framework.exceptions import APIException, UnsupportedMediaType, ValidationError

from checkout.api.answers import catalogue
from checkout.api.answers.answer import Answer
from checkout.api.answers.refusal import Fault, Refusal, refusal
from checkout.errors import (
    AmountNotAvailable,
    DisputeNotFound,
    DuplicateRequest,
    EndpointDisabled,
    EventNotFound,
    IllegalTransition,
    KeyReused,
    NoProviderAccount,
    OperationNotFound,
    OperationRejected,
    PaymentDisputed,
    PaymentLinkNotFound,
    PaymentNotFound,
    RefundableDiffers,
    RequestInvalid,
    SavedCardNotFound,
    SavedCardNotUsable,
    WebhookNotFound,
)
from messaging.errors import MessagingError
from payments_gateway.serving.problems import MALFORMED, document_of, refuse, request_id_of

log = structlog.get_logger(__name__)

PROBLEM_JSON = "application/problem+json"
# Names of fields in the API that differ from the names of our functions' parameters.
_NAMES = {"shopper_email": "customer_email"}
_METADATA = "metadata."
# The log names at most this number of invalid fields.
_MOST_FIELDS = 5
# The filters of lists that our functions check.
_PARAMETERS = {"cursor", "limit", "types", "object_id", "state"}


def respond(request: HttpRequest, error: Exception) -> HttpResponse:
    """Return the response to a request that ended with ``error``. Never raises."""
    refused = refusal_of(error)
    problem, request_id = refused.problem, request_id_of(request)
    document: dict[str, Any] = {**document_of(problem), "code": problem.code, "request_id": request_id}
    if problem is catalogue.BROKEN:
        log.error("API request failed", request_id=request_id, exc_info=error)
    if refused.faults:
        document["errors"] = [fault.document() for fault in refused.faults]
    document.update(refused.members)
    answer = Answer(problem.status, msgspec.json.encode(document), problem.headers)
    fields = [fault.pointer or fault.parameter or fault.header for fault in refused.faults[:_MOST_FIELDS]]
    return refuse(answer.response(content_type=PROBLEM_JSON), problem, *fields)


def refusal_of(error: Exception) -> Refusal:
    """Return the refusal that tells the client about an error."""
    match error:
        case Refusal():
            return error
        case ValidationError():
            return refusal(catalogue.INVALID_REQUEST, faults=_faults(error.detail, ""))
        case UnsupportedMediaType():
            return refusal(catalogue.UNSUPPORTED_MEDIA_TYPE)
        case RequestInvalid():
            return refusal(catalogue.INVALID_REQUEST, faults=map(_fault_of, (error, *error.others)))
        case PaymentNotFound():
            return refusal(catalogue.PAYMENT_NOT_FOUND)
        case OperationNotFound():
            return refusal(catalogue.OPERATION_NOT_FOUND)
        case EventNotFound():
            return refusal(catalogue.EVENT_NOT_FOUND)
        case PaymentLinkNotFound():
            return refusal(catalogue.LINK_NOT_FOUND)
        case DisputeNotFound():
            return refusal(catalogue.DISPUTE_NOT_FOUND)
        case SavedCardNotFound():
            return refusal(catalogue.SAVED_CARD_NOT_FOUND)
        case SavedCardNotUsable():
            return refusal(catalogue.SAVED_CARD_NOT_USABLE, str(error))
        case WebhookNotFound():
            return refusal(catalogue.WEBHOOK_NOT_FOUND)
        case NoProviderAccount():
            return refusal(catalogue.NO_PROVIDER_ACCOUNT)
        case RefundableDiffers():
            fault = Fault(str(error), pointer="/expected_refundable")
            refundable = error.available.minor
            return refusal(catalogue.REFUNDABLE_CHANGED, str(error), faults=[fault], refundable=refundable)
        case DuplicateRequest():
            detail = _in_our_names(error)
            fault = Fault(detail, pointer=pointer_to(error.field) if error.field else "")
            is_key = isinstance(error, KeyReused)
            problem = catalogue.KEY_REUSED if is_key else catalogue.ORDER_HAS_PAYMENT
            return refusal(problem, detail, faults=[fault])
        case AmountNotAvailable():
            is_disputed = isinstance(error, PaymentDisputed)
            return refusal(
                catalogue.PAYMENT_DISPUTED if is_disputed else catalogue.AMOUNT_NOT_AVAILABLE,
                str(error),
                available=error.available.minor,
                currency=error.available.currency,
            )
        case EndpointDisabled():
            return refusal(catalogue.ENDPOINT_DISABLED)
        case IllegalTransition():
            return refusal(catalogue.NOT_POSSIBLE_NOW, str(error))
        case OperationRejected():
            return refusal(catalogue.INVALID_REQUEST, str(error))
        case SuspiciousOperation() | BadRequest():
            return refusal(MALFORMED)  # for example a query with too many parameters
        case MessagingError() | DatabaseError() | InterfaceError():
            return refusal(catalogue.UNAVAILABLE)
        case APIException():
            return refusal(catalogue.MALFORMED_JSON, str(error.detail)[:200])
        case _:
            return Refusal(catalogue.BROKEN)


def _fault_of(error: RequestInvalid) -> Fault:
    detail = str(error).removeprefix(f"{error.field}: ")
    is_query = error.field in _PARAMETERS
    return Fault(detail, parameter=error.field) if is_query else Fault(detail, pointer_to(error.field))


def pointer_to(field: str) -> str:
    """Return the JSON pointer of a field, such as ``lines[0].sku`` or ``metadata.colour``."""
    if field.startswith(_METADATA):
        return f"/metadata/{_escaped(field.removeprefix(_METADATA))}"
    first, *rest = field.replace("[", ".").replace("]", "").split(".")
    return "/".join(["", _NAMES.get(first, first), *rest])


def _in_our_names(error: DuplicateRequest) -> str:
    """Return the text of an error that names the API's field in place of the parameter."""
    name = _NAMES.get(error.field)
    return str(error).replace(error.field.replace("_", " "), name.replace("_", " ")) if name else str(error)


def _faults(detail: Any, pointer: str) -> Iterator[Fault]:
    if isinstance(detail, dict):
        for name, inner in detail.items():
            own = "" if name == "non_field_errors" else f"/{_escaped(str(name))}"
            yield from _faults(inner, f"{pointer}{own}")
    elif isinstance(detail, list):
        for number, inner in enumerate(detail):
            is_nested = isinstance(inner, dict | list)
            yield from _faults(inner, f"{pointer}/{number}" if is_nested else pointer)
    else:
        yield Fault(str(detail), pointer=pointer)


def _escaped(name: str) -> str:
    """Return a name as a part of a pointer (RFC 6901), without characters that cannot be encoded."""
    readable = name.encode("utf-8", "replace").decode()
    return readable.replace("~", "~0").replace("/", "~1")[:200]
