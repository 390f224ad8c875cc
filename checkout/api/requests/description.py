"""The description of a method of an address, for the base view and for the OpenAPI document."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from rest_framework import serializers

from checkout.api.access.scopes import Scope
from payments_gateway.serving.problems import Problem


class IdempotencyKey(StrEnum):
    """The rule of a method for the header Idempotency-Key."""

    IGNORED = "ignored"
    ACCEPTED = "accepted"
    REQUIRED = "required"


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """The description of a method. ``answers`` has the type of the document for each status.

    If ``may_be_held``, the request is held for the time that the client asks for. If the client does not ask,
    the request is held for the default time if ``is_held_by_default``.
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
        """Return True if the body is read: if the method expects fields, or may have an idempotency key."""
        return self.body is not None or self.key is not IdempotencyKey.IGNORED
