"""The names and values that a merchant's program keeps with a payment or an operation."""

from collections.abc import Mapping

from checkout.errors import RequestInvalid

MOST_KEYS = 50
LONGEST_KEY = 40
LONGEST_VALUE = 500


def checked_metadata(given: object, *, field: str = "metadata") -> dict[str, str]:
    """Return metadata that may be stored: at most 50 keys of 40 characters, with texts of at most 500.

    Raises ``RequestInvalid``, which names the field.
    """
    if given is None:
        return {}
    if not isinstance(given, Mapping) or len(given) > MOST_KEYS:
        raise RequestInvalid(field, f"These are at most {MOST_KEYS} names with their values.")
    for key, value in given.items():
        if not isinstance(key, str) or not 0 < len(key) <= LONGEST_KEY or not key.isprintable():
            raise RequestInvalid(field, f"A name is a text of 1 to {LONGEST_KEY} characters.")
        if not isinstance(value, str) or len(value) > LONGEST_VALUE or not _is_storable(value):
            raise RequestInvalid(
                f"{field}.{key}", f"A value is a text of at most {LONGEST_VALUE} characters."
            )
    return dict(given)


def _is_storable(text: str) -> bool:
    """Return True if PostgreSQL can store the text: it refuses NUL and halves of surrogate pairs."""
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)
