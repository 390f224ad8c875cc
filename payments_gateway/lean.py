"""Smaller versions of what uvicorn keeps for every request."""

import asyncio
from typing import Any


class LeanEvent(asyncio.Event):
    """An event without a deque, which is 600 bytes even when empty: uvicorn has two for each request."""

    def __init__(self, *, is_set: bool = False) -> None:
        self._waiters = []  # type: ignore[assignment]
        self._value = is_set


class LeanQueue(list[Any]):
    """As much of a deque as uvicorn needs for requests that came before the last one was answered."""

    def appendleft(self, request: object) -> None:
        """See collections.deque."""
        self.insert(0, request)
