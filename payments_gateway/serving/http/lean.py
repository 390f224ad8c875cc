"""Smaller versions of the objects that uvicorn keeps for every request."""

import asyncio
from typing import Any


class LeanEvent(asyncio.Event):
    """An event without a deque, which takes 600 bytes even if empty. uvicorn has two events per request."""

    def __init__(self, *, is_set: bool = False) -> None:
        self._waiters = []  # type: ignore[assignment]
        self._value = is_set


class LeanQueue(list[Any]):
    """The part of a deque's interface that uvicorn needs for pipelined requests."""

    def appendleft(self, request: object) -> None:
        """See collections.deque."""
        self.insert(0, request)
