"""The end of this process, if it is about to come: what waits then stops waiting, and nothing waits any more.

Used on the event loop that serves the process.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager


class GracefulShutdown:
    """Begins once. Whoever waits is told, and must not raise."""

    def __init__(self) -> None:
        self.has_begun = False
        self._waiting: dict[object, Callable[[], None]] = {}

    def begin(self) -> None:
        """Tell everybody who waits. Again: does nothing."""
        if self.has_begun:
            return
        self.has_begun = True
        for end in list(self._waiting.values()):
            end()

    def reset(self) -> None:
        """The process starts again: there is one drain for all the lives of an application in a process."""
        self.has_begun = False

    @contextmanager
    def ends(self, end: Callable[[], None]) -> Iterator[None]:
        """Inside this context ``end`` is called when the drain begins, at once if it has."""
        key = object()
        self._waiting[key] = end
        try:
            if self.has_begun:
                end()
            yield
        finally:
            del self._waiting[key]

    def shortens(self, limit: asyncio.Timeout, *, to_seconds: float) -> AbstractContextManager[None]:
        """Inside this context ``limit`` ends so long after the drain begins, unless its time is up before."""

        def shorten() -> None:
            if not limit.expired():
                limit.reschedule(asyncio.get_running_loop().time() + to_seconds)

        return self.ends(shorten)


drain = GracefulShutdown()
