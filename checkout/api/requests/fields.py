"""Serializer fields that convert nothing: ``"12"`` is not a number, and ``1`` is neither text nor boolean.

DRF's own fields would hide the mistake of a program that sends the wrong type.
"""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any, ClassVar

from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from checkout.payments.actions.metadata import MOST_KEYS

_BLANK_FOR_PLUS = re.compile(r"[0-9-]{8,10}T[0-9:.]{2,20} [0-9]{2}:?[0-9]{2}")


class Strict(serializers.Serializer[Any]):
    """A serializer that refuses unknown fields, so that a misspelt field is not ignored."""

    def to_internal_value(self, data: Any) -> Any:
        """See ``Serializer``."""
        if isinstance(data, Mapping):
            unknown = sorted(set(data) - set(self.fields))
            if unknown:
                raise ValidationError({name: ["There is no such field."] for name in unknown[:20]})
        return super().to_internal_value(data)


class Exampled:
    """A field with an ``example`` for the reference, which its ``help_text`` describes."""

    def __init__(self, *args: Any, example: Any = None, **options: Any) -> None:
        super().__init__(*args, **options)
        self.example = example


@cache
def _reader(serializer: type[serializers.Serializer[Any]]) -> serializers.Serializer[Any]:
    """Return an instance for all requests. It is expensive to make, and validating does not change it."""
    return serializer()


def read(serializer: type[serializers.Serializer[Any]], data: Any) -> dict[str, Any]:
    """Return the validated data. Raises DRF's ``ValidationError``."""
    return dict(_reader(serializer).run_validation(data))


class Text(Exampled, serializers.CharField):
    """A text, as it was sent."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"trim_whitespace": False, **options})

    def to_internal_value(self, data: Any) -> str:
        """See ``CharField``."""
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class Choice(Exampled, serializers.ChoiceField):
    """One of a few texts."""

    def to_internal_value(self, data: Any) -> str:
        """See ``ChoiceField``."""
        if not isinstance(data, str):
            self.fail("invalid_choice", input=data)
        return str(super().to_internal_value(data))


class Whole(Exampled, serializers.IntegerField):
    """A whole number."""

    def to_internal_value(self, data: Any) -> int:
        """See ``IntegerField``."""
        if not isinstance(data, int) or isinstance(data, bool):
            self.fail("invalid")
        return data


class QueryWhole(Exampled, serializers.IntegerField):
    """A whole number in a query, where every value is a text."""


class Pattern(Exampled, serializers.RegexField):
    """A text of one form."""


class Several(Exampled, serializers.ListField):
    """A list of values."""


class Parts(Exampled, serializers.ListSerializer[Any]):
    """A list of objects."""


class Flag(Exampled, serializers.BooleanField):
    """True or false."""

    def to_internal_value(self, data: Any) -> bool:
        """See ``BooleanField``."""
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class QueryFlag(Exampled, serializers.BooleanField):
    """The word ``true`` or ``false`` in a query."""

    def to_internal_value(self, data: Any) -> bool:
        """See ``BooleanField``."""
        if data not in ("true", "false"):
            self.fail("invalid", input=data)
        return bool(data == "true")


class Time(Exampled, serializers.DateTimeField):
    """A time with its offset from UTC (RFC 3339)."""

    default_error_messages: ClassVar[dict[str, Any]] = {
        "no_offset": "Times need a UTC offset, for example Z or +01:00."
    }

    def to_internal_value(self, value: Any) -> Any:
        """See ``DateTimeField``."""
        if not isinstance(value, str):
            self.fail("invalid", format="YYYY-MM-DDThh:mm:ssZ")
        try:
            return super().to_internal_value(value)
        except (OverflowError, ValueError):
            self.fail("invalid", format="YYYY-MM-DDThh:mm:ssZ")

    def enforce_timezone(self, value: Any) -> Any:
        """Refuse a time without an offset, which DRF would read in the time zone of the gateway."""
        if value.tzinfo is None:
            self.fail("no_offset")
        return super().enforce_timezone(value)


class QueryTime(Time):
    """A time in a query, in which a plus sign must be written as ``%2B``, because ``+`` means a space."""

    default_error_messages: ClassVar[dict[str, Any]] = {
        "plus": "Write the plus sign as %2B, or send the time in UTC with Z."
    }

    def to_internal_value(self, value: Any) -> Any:
        """See ``Time``."""
        if _BLANK_FOR_PLUS.fullmatch(value):
            self.fail("plus")
        return super().to_internal_value(value)


class Metadata(Exampled, serializers.Field[Any, Any, Any, Any]):
    """A flat object of strings. ``create_payment`` checks their sizes for all callers."""

    default_error_messages: ClassVar[dict[str, Any]] = {
        "invalid": "This must be an object whose values are strings.",
        "too_many": f"Metadata has at most {MOST_KEYS} names.",
    }

    def to_internal_value(self, data: Any) -> dict[str, str]:
        """See ``Field``."""
        if not isinstance(data, dict) or not all(isinstance(value, str) for value in data.values()):
            self.fail("invalid")
        if len(data) > MOST_KEYS:  # before each of them is hashed for the idempotency key
            self.fail("too_many")
        return data

    def to_representation(self, value: Any) -> Any:
        """See ``Field``."""
        return value
