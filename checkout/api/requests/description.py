"""The description of a method of an address: what it permits and does, and what the OpenAPI document says."""

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
    """A method. ``answers`` has the type of the document of each status.

    ``wait`` says if a request is held: for the default time, or only if it asks for it.
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
        """Return True if a body is read. One that is sent in vain is read for the key, too."""
        return self.body is not None or self.key is not IdempotencyKey.IGNORED
