"""Who waits for a reply on this event loop: one future for each correlation id."""

import asyncio
from collections.abc import Callable
from itertools import count

from checkout.conf import conf
from checkout.errors import TooManyWaiters


class Replies:
    """Replies as JSON. The first one, or an error, ends a wait; what comes after it is not taken.

    Used on one event loop only.
    """

    def __init__(self) -> None:
        self._waiting: dict[str, asyncio.Future[bytes]] = {}
        self._loop = asyncio.get_running_loop()
        self._numbers = count()

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, correlation_id: str) -> bool:
        return correlation_id in self._waiting

    def expect(self) -> tuple[str, "asyncio.Future[bytes]"]:
        """A new correlation id, and the reply to it. ``forget`` it. Raises TooManyWaiters."""
        if len(self._waiting) >= conf.max_waiters:
            raise TooManyWaiters(f"{len(self._waiting)} callers are waiting already")
        correlation_id = f"r{next(self._numbers):x}"
        future = self._waiting[correlation_id] = self._loop.create_future()
        return correlation_id, future

    def forget(self, correlation_id: str) -> None:
        """Nobody waits for this reply any more; if it comes later, it is not taken."""
        future = self._waiting.pop(correlation_id)
        if not future.cancel() and not future.cancelled():
            future.exception()  # a caller that was cancelled has not looked at it

    def give(self, correlation_id: str, body: bytes) -> bool:
        """Whether somebody was waiting for this reply."""
        future = self._waiting.get(correlation_id)
        if future is None or future.done():
            return False
        future.set_result(body)
        return True

    def fail(self, correlation_id: str, error: Exception) -> None:
        """End a wait with ``error``, unless it has ended."""
        future = self._waiting.get(correlation_id)
        if future is not None and not future.done():
            future.set_exception(error)

    def time_out(self, correlation_id: str) -> None:
        """End a wait with ``TimeoutError``, unless it has ended."""
        self.fail(correlation_id, TimeoutError())

    def fail_all(self, error: Callable[[], Exception]) -> None:
        """End every wait."""
        for correlation_id in list(self._waiting):
            self.fail(correlation_id, error())
