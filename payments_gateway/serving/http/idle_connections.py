"""Connections on which nothing has been received yet."""

import asyncio
from typing import Protocol


class Closable(Protocol):
    """A connection that can be closed because it has been idle for too long."""

    def timeout_keep_alive_handler(self) -> None:
        """Close the connection."""


class IdleConnections:
    """The connections on which nothing has been received. All get the same time.

    They share one timer: nearly every client sends something at once, and a timer of its own would be a tenth
    of the cost of a connection.
    """

    def __init__(self) -> None:
        self._until: dict[Closable, float] = {}  # in the order of arrival, which is that of the deadlines
        self._timer: asyncio.TimerHandle | None = None

    def add(self, connection: Closable, now: float, seconds: float) -> None:
        """Close the connection ``seconds`` from now, unless it is discarded before."""
        self._until[connection] = now + seconds
        if self._timer is None:
            self._wait(seconds)

    def discard(self, connection: Closable) -> None:
        """Stop watching a connection. Does nothing if it is not watched."""
        self._until.pop(connection, None)

    def _wait(self, seconds: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, self._close_overdue)

    def _close_overdue(self) -> None:
        now = asyncio.get_running_loop().time()
        self._timer = None
        while self._until:
            connection, until = next(iter(self._until.items()))
            if until > now:
                self._wait(until - now)
                return
            del self._until[connection]
            connection.timeout_keep_alive_handler()
