"""The graceful shutdown of this process. When it begins, all waits end, and no new ones start.

Used on the event loop that serves the process.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager


class GracefulShutdown:
    """A shutdown that begins once and calls all registered callbacks, which must not raise."""

    def __init__(self) -> None:
        self.has_begun = False
        self._waiting: dict[object, Callable[[], None]] = {}

    def begin(self) -> None:
        """Call every registered callback; does nothing if called again."""
        if self.has_begun:
            return
        self.has_begun = True
        for end in list(self._waiting.values()):
            end()

    def reset(self) -> None:
        """Prepare for a restart of the application, as all starts in a process share this object."""
        self.has_begun = False

    @contextmanager
    def ends(self, end: Callable[[], None]) -> Iterator[None]:
        """Inside this context, call ``end`` when the shutdown begins, or at once if it has begun."""
        key = object()
        self._waiting[key] = end
        try:
            if self.has_begun:
                end()
            yield
        finally:
            del self._waiting[key]

    def shortens(self, limit: asyncio.Timeout, *, to_seconds: float) -> AbstractContextManager[None]:
        """Inside this context, end ``limit`` so long after the shutdown begins, if it is not over by then."""

        def shorten() -> None:
            if not limit.expired():
                limit.reschedule(asyncio.get_running_loop().time() + to_seconds)

        return self.ends(shorten)


drain = GracefulShutdown()
