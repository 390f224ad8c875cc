"""The description of a method of an address, for the base view and for the OpenAPI document."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from rest_framework import serializers

from checkout.api.access.scopes import Scope
from payments_gateway.serving.problems import Problem


class IdempotencyKey(StrEnum):
    """The use of the header Idempotency-Key."""

    IGNORED = "ignored"
    ACCEPTED = "accepted"
    REQUIRED = "required"


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """The description of a method. ``answers`` has the type of the document for each status.

    ``wait`` says if requests are held: always, for the default time, or only if the client asks for it.
    """

    name: str
    summary: str
    scope: Scope
    answers: Mapping[int, Any]
    body: type[serializers.Serializer[Any]] | None = None
    query: type[serializers.Serializer[Any]] | None = None
    key: IdempotencyKey = IdempotencyKey.IGNORED
    may_be_held: bool = False
    is_held_by_default: bool = False
    problems: tuple[Problem, ...] = field(default=())

    @property
    def reads_body(self) -> bool:
        """Return True if a body is read. With an idempotency key, it is read even if no field is expected."""
        return self.body is not None or self.key is not IdempotencyKey.IGNORED
