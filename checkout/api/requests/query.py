"""The query of a request, read by a serializer."""

from typing import Any

from django.http import HttpRequest
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from checkout.api.answers import catalogue
from checkout.api.answers.refusal import Fault, refusal
from checkout.api.requests.fields import read


def read_query(request: HttpRequest, serializer: type[serializers.Serializer[Any]]) -> dict[str, Any]:
    """Return the validated query. Raises a refusal that names the invalid parameters."""
    given = request.GET
    known = serializer().fields
    faults = [
        Fault("There is no such parameter.", parameter=_shown(name)) for name in given if name not in known
    ]
    faults += [
        Fault("This parameter is repeated.", parameter=name)
        for name, values in given.lists()
        if name in known and len(values) > 1
    ]
    validated: dict[str, Any] = {}
    try:
        validated = read(serializer, {name: given[name] for name in given if name in known})
    except ValidationError as error:
        errors: Any = error.detail
        faults += [
            Fault(str(each), parameter=name)
            for name, found in errors.items()
            for each in (found if isinstance(found, list) else [found])
        ]
    if faults:
        raise refusal(catalogue.INVALID_REQUEST, faults=faults[:20])
    return validated


def require_no_query(request: HttpRequest) -> None:
    """Raise a refusal if a request whose fields belong in its body has a query.

    Otherwise a refund whose amount is in the query by mistake would refund everything.
    """
    faults = [
        Fault("There is no such parameter. Send fields in the body.", parameter=_shown(name))
        for name in request.GET
    ]
    if faults:
        raise refusal(catalogue.INVALID_REQUEST, faults=faults[:20])


def _shown(name: str) -> str:
    return name.encode("utf-8", "replace").decode()[:100]
