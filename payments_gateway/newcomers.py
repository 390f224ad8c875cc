"""Connections on which nothing has been received yet."""

import asyncio
from typing import Protocol


class Closable(Protocol):
    """A connection that ends when it has been idle for too long."""

    def timeout_keep_alive_handler(self) -> None:
        """Close it."""


class Newcomers:
    """Closes connections that stay silent; the time for that is the same for all.

    There is one timer for all of them, because nearly every connection says something at once, and a timer of
    its own would be a tenth of what a connection costs.
    """

    def __init__(self) -> None:
        self._until: dict[Closable, float] = {}  # in the order in which they came, and are due
        self._timer: asyncio.TimerHandle | None = None

    def add(self, connection: Closable, now: float, seconds: float) -> None:
        """Close the connection ``seconds`` from now, unless it is discarded before."""
        self._until[connection] = now + seconds
        if self._timer is None:
            self._wait(seconds)

    def discard(self, connection: Closable) -> None:
        """Leave a connection alone, which may be none of these."""
        self._until.pop(connection, None)

    def _wait(self, seconds: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, self._close_the_silent)

    def _close_the_silent(self) -> None:
        now = asyncio.get_running_loop().time()
        self._timer = None
        while self._until:
            connection, until = next(iter(self._until.items()))
            if until > now:
                self._wait(until - now)
                return
            del self._until[connection]
            connection.timeout_keep_alive_handler()
