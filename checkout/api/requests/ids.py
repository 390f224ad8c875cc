"""Ids in addresses. Each kind of object has one form of id."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from django.urls.converters import StringConverter

from checkout.api.answers.refusal import refusal
from payments_gateway.serving.problems import Problem


@dataclass(frozen=True, slots=True)
class NoSuchId:
    """The value in place of a text that is not an id.

    ``problem`` says that no object of this kind was found.
    """

    problem: Problem


class IdConverter(StringConverter):
    """A path converter that accepts any text.

    Therefore the problem of a wrong id can name the kind of object.
    """

    regex = "[^/]+"
    form: ClassVar[str]
    description: ClassVar[str]
    example: ClassVar[str]
    problem: ClassVar[Problem]

    def to_python(self, value: str) -> str | NoSuchId:  # type: ignore[override]
        """Return the id, or ``NoSuchId`` for any other text, which must not reach the database."""
        return value if re.fullmatch(self.form, value, re.ASCII) else NoSuchId(self.problem)


def require_ids(values: Iterable[object]) -> None:
    """Raise a refusal if one of the values from the address is a ``NoSuchId``."""
    for value in values:
        if isinstance(value, NoSuchId):
            raise refusal(value.problem)
