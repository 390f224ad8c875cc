"""Serializer fields that convert nothing: ``"12"`` is not a number, and ``1`` is neither text nor boolean.

DRF's own fields would hide the mistake of a program that sends the wrong type.
"""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, ClassVar, cast

from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from checkout.money import CURRENCIES
from checkout.payments.actions.metadata import LONGEST_KEY, LONGEST_VALUE, MOST_KEYS

_IS_NUMBER = re.compile(r"[0-9]{1,12}(\.[0-9]{1,12})?")
_BLANK_FOR_PLUS = re.compile(r"[0-9-]{8,10}T[0-9:.]{2,20} [0-9]{2}:?[0-9]{2}")


class Strict(serializers.Serializer[Any]):
    """A serializer that refuses unknown fields, so that a misspelt field is not ignored."""

    def to_internal_value(self, data: Any) -> Any:
        """See ``Serializer``."""
        if isinstance(data, Mapping):
            unknown = {
                name: ["There is no such field."] for name in sorted(set(data) - set(self.fields))[:20]
            }
            try:
                read = super().to_internal_value(data)
            except ValidationError as error:
                raise ValidationError({**unknown, **cast("dict[str, Any]", error.detail)}) from None
            if unknown:
                raise ValidationError(unknown)
            return read
        return super().to_internal_value(data)


class Exampled:
    """The base of fields with an ``example`` for the API reference. ``help_text`` describes the field."""

    def __init__(self, *args: Any, example: Any = None, **options: Any) -> None:
        super().__init__(*args, **options)
        self.example = example


@cache
def _reader(serializer: type[serializers.Serializer[Any]]) -> serializers.Serializer[Any]:
    """Return a serializer for all requests, because making one is expensive.

    Validating does not change it.
    """
    return serializer()


def read(serializer: type[serializers.Serializer[Any]], data: Any) -> dict[str, Any]:
    """Return the validated data. Raises DRF's ``ValidationError``."""
    return dict(_reader(serializer).run_validation(data))


class Text(Exampled, serializers.CharField):
    """A text, which is not trimmed."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"trim_whitespace": False, **options})

    def to_internal_value(self, data: Any) -> str:
        """See ``CharField``."""
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class Choice(Exampled, serializers.ChoiceField):
    """A text from a fixed set."""

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


class Pattern(Exampled, serializers.RegexField):
    """A text that matches a regular expression."""


class MinorUnits(Whole):
    """An amount in minor units. For an amount in major units, the error shows the correct number."""

    def to_internal_value(self, data: Any) -> int:
        """See ``Whole``."""
        if major := _in_major_units(data):
            raise ValidationError(
                [
                    f"Send minor units of the currency, as a whole number: {major} EUR is "
                    f"{_minor(major, 2)}, {major} KWD is {_minor(major, 3)}, and 1250 JPY is 1250."
                ]
            )
        return super().to_internal_value(data)


def _in_major_units(data: Any) -> str:
    """Return a number with a fraction, or one in quotation marks, as a text; "" for any other value."""
    text = str(data) if isinstance(data, float | str) else ""
    return text if _IS_NUMBER.fullmatch(text) else ""


def _minor(major: str, digits: int) -> int:
    whole, _, fraction = major.partition(".")
    return int(whole + fraction.ljust(digits, "0")[:digits])


class CurrencyCode(Text):
    """The code of a currency in which shoppers can pay."""

    def to_internal_value(self, data: Any) -> str:
        """See ``Text``."""
        code = super().to_internal_value(data)
        if code.upper() in CURRENCIES and code not in CURRENCIES:
            raise ValidationError([f"Write it in capitals: {code.upper()}."])
        if code not in CURRENCIES:
            raise ValidationError(
                ["This is not a currency in which shoppers can pay (ISO 4217), such as EUR."]
            )
        return code


class CommaSeparated(Exampled, serializers.Field[Any, Any, Any, Any]):
    """A list of permitted words in a query, separated by commas."""

    default_error_messages: ClassVar[dict[str, Any]] = {
        "invalid": "There is no {word}. Separate several with commas. There are: {words}.",
    }

    def __init__(self, *, choices: Sequence[str], **options: Any) -> None:
        super().__init__(required=False, default=(), **options)
        self.choices = choices

    def to_internal_value(self, data: Any) -> Sequence[str]:
        """See ``Field``."""
        words: list[str] = data.split(",")
        for word in words:
            if word not in self.choices:
                self.fail("invalid", word=word[:40] or "empty word", words=", ".join(self.choices))
        return words

    def to_representation(self, value: Any) -> Any:
        """See ``Field``."""
        return value


class NameAndValue(Exampled, serializers.Field[Any, Any, Any, Any]):
    """A name of metadata and its value in a query, separated by a colon."""

    default_error_messages: ClassVar[dict[str, Any]] = {
        "invalid": "Write a name of the metadata, a colon and its value, for example basket:77.",
    }

    def to_internal_value(self, data: Any) -> tuple[str, str]:
        """See ``Field``."""
        name, colon, value = data.partition(":")
        if not colon or not 0 < len(name) <= LONGEST_KEY or len(value) > LONGEST_VALUE or "\0" in data:
            self.fail("invalid")
        return name, value

    def to_representation(self, value: Any) -> Any:
        """See ``Field``."""
        return value


class QueryWhole(Exampled, serializers.IntegerField):
    """A whole number in a query, where it arrives as a text."""


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
        """Refuse a time without an offset, which DRF would take as a time in the gateway's zone."""
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

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        """See ``Field``."""
        if not isinstance(data, dict) or not all(map(self.is_value, data.values())):
            self.fail("invalid")
        if len(data) > MOST_KEYS:  # before each name is hashed for the idempotency key
            self.fail("too_many")
        return data

    @staticmethod
    def is_value(value: Any) -> bool:
        """Return True if the value may be a value of metadata."""
        return isinstance(value, str)

    def to_representation(self, value: Any) -> Any:
        """See ``Field``."""
        return value


class MetadataChange(Metadata):
    """Names of metadata with their new values, or with null to remove the name."""

    default_error_messages: ClassVar[dict[str, Any]] = {
        "invalid": "This must be an object whose values are strings, or null to remove a name.",
    }

    @staticmethod
    def is_value(value: Any) -> bool:
        """See ``Metadata``."""
        return value is None or isinstance(value, str)
