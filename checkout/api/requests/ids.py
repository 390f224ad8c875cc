"""Ids in addresses, of which each kind of object has one form."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from django.urls.converters import StringConverter

from checkout.api.answers.refusal import refusal
from payments_gateway.serving.problems import Problem


@dataclass(frozen=True, slots=True)
class NoSuchId:
    """A text that is no id, in the place of one. ``problem`` says of which kind nothing was found."""

    problem: Problem


class IdConverter(StringConverter):
    """Any text in the place of an id, so that the answer to a wrong one names the kind of object."""

    regex = "[^/]+"
    form: ClassVar[str]
    problem: ClassVar[Problem]

    def to_python(self, value: str) -> str | NoSuchId:  # type: ignore[override]
        """Return the id, or ``NoSuchId``, so that no other text reaches the database."""
        return value if re.fullmatch(self.form, value, re.ASCII) else NoSuchId(self.problem)


def require_ids(values: Iterable[object]) -> None:
    """Raise a refusal if there is a ``NoSuchId`` among what was found in the address."""
    for value in values:
        if isinstance(value, NoSuchId):
            raise refusal(value.problem)
