"""Smaller versions of the objects that uvicorn keeps for every request."""

import asyncio
from functools import cache
from typing import Any

from messaging.libraries.versions import is_made_for


@cache
def is_known_uvicorn() -> bool:
    """Return True if uvicorn has the release whose internals are used here and in ``whole_response``.

    With any other release, requests keep uvicorn's own objects, and responses are sent as ASGI's messages.
    """
    return is_made_for("uvicorn", "0.54", "whole responses and lean requests")


class LeanEvent(asyncio.Event):
    """An event without a deque, which takes 600 bytes even when empty. uvicorn has two for each request."""

    def __init__(self, *, is_set: bool = False) -> None:
        self._waiters = []  # type: ignore[assignment]
        self._value = is_set


class LeanQueue(list[Any]):
    """The part of a deque's interface that uvicorn needs for pipelined requests."""

    def appendleft(self, request: object) -> None:
        """See collections.deque."""
        self.insert(0, request)
