"""Answers from the server itself: a problem document with the headers that all our responses have."""

import json
from collections.abc import Iterable

from payments_gateway.serving.http.whole_response import whole_response
from payments_gateway.serving.problems import Problem, document_of
from payments_gateway.serving.security.headers import strict_headers


def refusal(problem: Problem, default_headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return a whole response, after which the connection is to be closed."""
    headers = [
        (b"content-type", b"application/problem+json"),
        (b"cache-control", b"no-store"),
        *((name.encode(), value.encode()) for name, value in problem.headers.items()),
        *strict_headers(),
    ]
    body = json.dumps(document_of(problem), ensure_ascii=False).encode()
    return whole_response(problem.status, default_headers, headers, body, keep_alive=False)
