"""Requests that Django fails to construct, because it reads the query early, and forms it must not read."""

from collections.abc import Mapping
from typing import IO, Any

from django.core.exceptions import SuspiciousOperation
from django.core.handlers.asgi import ASGIHandler

from payments_gateway.serving.problems import MALFORMED
from payments_gateway.serving.scope import REFUSED
from payments_gateway.serving.security.plain_forms import MULTIPART, is_plain_form
from payments_gateway.serving.security.plain_headers import CONTENT_TYPE, without


class UnreadableRefused(ASGIHandler):
    """A handler that refuses a request whose query has too many fields, however early Django reads it.

    If the Content-Type has a charset, Django reads the query while it constructs the request, before any
    middleware could answer the exception. A multipart form that no browser writes loses its Content-Type
    (``plain_forms``).
    """

    def create_request(self, scope: Mapping[str, Any], body_file: IO[bytes]) -> Any:
        """See ASGIHandler."""
        scope = _without_strange_form(scope, body_file)
        try:
            return super().create_request(scope, body_file)
        except SuspiciousOperation:
            return super().create_request({**without(CONTENT_TYPE, scope), REFUSED: MALFORMED}, body_file)


def _without_strange_form(scope: Mapping[str, Any], body_file: IO[bytes]) -> Mapping[str, Any]:
    content_type = dict(scope["headers"]).get(CONTENT_TYPE, b"")
    if not content_type.startswith(MULTIPART):
        return scope
    body = body_file.read()
    body_file.seek(0)
    return scope if is_plain_form(content_type, body) else without(CONTENT_TYPE, scope)
