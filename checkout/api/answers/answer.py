"""The answer to a request, as it is sent and as it is kept for an idempotency key."""

from dataclasses import dataclass, field
from typing import Any

import msgspec
from django.http import HttpResponse

JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer: ``body`` is the encoded document."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, status: int, document: Any, **headers: str) -> "Answer":
        """Return an answer with a document, which may contain objects of ``msgspec.Struct``.

        Underscores in the names of ``headers`` stand for hyphens.
        """
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return cls(status, msgspec.json.encode(document), named)

    def response(self, *, content_type: str = JSON) -> HttpResponse:
        """Return Django's response. No cache may store it, because an answer is meant for one key only."""
        headers = {"Cache-Control": "no-store", **self.headers}
        return HttpResponse(self.body, status=self.status, content_type=content_type, headers=headers)
