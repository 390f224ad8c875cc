"""Values of declared types, read with msgspec from any thread.

If two threads are the first to use a type that contains other types, msgspec 0.22 ends the process with a
segmentation fault: one thread uses a structure that the other has not filled in yet. So one thread at a time
prepares a type.
"""

import threading
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

_one_at_a_time = threading.Lock()
_decoders: dict[Any, "msgspec.json.Decoder[Any]"] = {}


def decoder(kind: type[T]) -> "msgspec.json.Decoder[T]":
    """Return the decoder of JSON for a type."""
    known = _decoders.get(kind)
    if known is None:
        with _one_at_a_time:
            known = _decoders[kind] = msgspec.json.Decoder(kind)
    return known


def decode(body: bytes | str, kind: type[T]) -> T:
    """Return the value in a JSON text. Raises msgspec.DecodeError, also if it is not of this type."""
    return decoder(kind).decode(body)


def convert(value: object, kind: type[T]) -> T:
    """Return plain data as a value of this type. Raises msgspec.ValidationError."""
    decoder(kind)  # prepares the type
    return msgspec.convert(value, kind)
