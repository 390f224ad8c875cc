"""A strict parser of JSON bodies, which refuses a body that two programs could read differently."""

import json
import re
from collections.abc import Mapping
from typing import IO, Any

from rest_framework.parsers import BaseParser

from checkout.api.answers import catalogue
from checkout.api.answers.refusal import refusal

MOST_LEVELS = 16
# No amount has more digits. Converting a number takes time that grows with the square of its digits.
MOST_DIGITS = 18

# An unterminated string matches up to the end of the text. Otherwise the search would start again at each
# escaped quotation mark, and a body full of them would block the process for minutes.
_STRING = re.compile(r'"(?:[^"\\]|\\.)*+"?', re.DOTALL)


class StrictJsonParser(BaseParser):
    """A parser for one JSON object in UTF-8.

    It refuses repeated names, which parsers resolve differently; NaN and Infinity, which are not JSON;
    numbers of more than 18 digits; NUL and unpaired surrogates, which the database cannot store; and more
    than 16 levels.
    """

    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Return the object. Raises a refusal."""
        try:
            return read_object(stream.read())
        except _Unreadable as error:
            raise refusal(catalogue.MALFORMED_JSON, str(error)) from None


class _Unreadable(ValueError):
    """A body that is not accepted. The text gives the reason, and quotes nothing of the body."""


def read_object(body: bytes) -> dict[str, Any]:
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise _Unreadable("The body is not UTF-8.") from None
    if text.startswith("\ufeff"):
        raise _Unreadable("The body begins with a byte order mark. Send UTF-8 without one.")
    _require_few_levels(text)
    try:
        value = json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_no_constant,
            parse_int=_whole_number,
            parse_float=_fraction,
        )
    except _Unreadable:
        raise
    except json.JSONDecodeError as error:
        place = f"in line {error.lineno}, at character {error.colno}"
        raise _Unreadable(f"The body is not JSON. The error is {place}.") from None
    except (ValueError, RecursionError):
        raise _Unreadable("The body is not JSON.") from None
    if not isinstance(value, dict):
        raise _Unreadable("The body is not a JSON object.")
    _require_storable(value)
    return value


def _require_few_levels(text: str) -> None:
    level = 0
    for bracket in re.findall(r"[\[\]{}]", _STRING.sub("", text)):
        level += 1 if bracket in "[{" else -1
        if level > MOST_LEVELS:
            raise _Unreadable(f"The body is nested more than {MOST_LEVELS} levels deep.")


def _require_storable(value: Any) -> None:
    if isinstance(value, dict):
        for name, inner in value.items():
            _require_storable(name)
            _require_storable(inner)
    elif isinstance(value, list):
        for inner in value:
            _require_storable(inner)
    elif isinstance(value, str):
        if "\0" in value:
            raise _Unreadable("The body contains a NUL character.")
        if any("\ud800" <= character <= "\udfff" for character in value):
            raise _Unreadable("The body contains an unpaired surrogate.")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _Unreadable("The body contains an object with a repeated name.")
    return found


def _no_constant(_name: str) -> Any:
    raise _Unreadable("NaN and Infinity are not JSON.")


def _whole_number(digits: str) -> int:
    if len(digits) > MOST_DIGITS:
        raise _Unreadable(f"The body contains a number of more than {MOST_DIGITS} digits.")
    return int(digits)


def _fraction(digits: str) -> float:
    if len(digits) > 2 * MOST_DIGITS:
        raise _Unreadable("The body contains a number that is too long.")
    return float(digits)
