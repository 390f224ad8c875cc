"""Answers from the server itself: a problem document with the headers that all our responses have.

The server does not know yet whether the client is a program, so each answer has the members that programs
look for.
"""

import json
from collections.abc import Iterable

from payments_gateway.serving.http.whole_response import whole_response
from payments_gateway.serving.problems import Problem, document_of, new_request_id
from payments_gateway.serving.security.headers import strict_headers


def refusal(problem: Problem, default_headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return a whole response. The connection has to be closed after it."""
    request_id = new_request_id()
    headers = [
        (b"content-type", b"application/problem+json"),
        (b"request-id", request_id.encode()),
        (b"cache-control", b"no-store"),
        *((name.encode(), value.encode()) for name, value in problem.headers.items()),
        *strict_headers(),
    ]
    document = {**document_of(problem), "code": problem.code, "request_id": request_id}
    body = json.dumps(document, ensure_ascii=False).encode()
    return whole_response(problem.status, default_headers, headers, body, keep_alive=False)
