"""The waits for replies on this event loop: one future for each correlation id."""

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass

from messaging import tallies
from messaging.conf import conf
from messaging.errors import TooManyWaiters


@dataclass(slots=True)
class Wait:
    """A wait for the reply of a service.

    Once the command ``is_sent``, its reply is lost if this process's queue is lost.
    """

    service: str
    future: "asyncio.Future[bytes]"
    is_sent: bool = False


class PendingReplies:
    """Pending replies by correlation id. A wait ends with the first reply or error; later ones are not taken.

    Used on one event loop only.
    """

    def __init__(self) -> None:
        self._waiting: dict[str, Wait] = {}
        self._loop = asyncio.get_running_loop()

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, correlation_id: str) -> bool:
        return correlation_id in self._waiting

    def expect(self, service: str) -> tuple[str, Wait]:
        """Return a new correlation id and the wait for the service's reply. Call ``discard`` in the end.

        The id holds 128 random bits, so that only those who see the command can answer it. Raises
        TooManyWaiters.
        """
        if len(self._waiting) >= conf.max_waiters:
            tallies.refusals.add("waiters")
            raise TooManyWaiters(f"{len(self._waiting)} callers are waiting already")
        correlation_id = f"r{os.urandom(16).hex()}"
        wait = self._waiting[correlation_id] = Wait(service, self._loop.create_future())
        return correlation_id, wait

    def asked(self, correlation_id: str) -> str:
        """Return the service whose reply is awaited."""
        return self._waiting[correlation_id].service

    def discard(self, correlation_id: str) -> None:
        """Stop waiting for this reply. A reply that arrives later is not taken."""
        future = self._waiting.pop(correlation_id).future
        if not future.cancel() and not future.cancelled():
            future.exception()  # marks the error as retrieved, since a cancelled caller never looks at it

    def give(self, correlation_id: str, body: bytes) -> bool:
        """End a wait with this reply. Return False if no caller was waiting for it."""
        wait = self._waiting.get(correlation_id)
        if wait is None or wait.future.done():
            return False
        wait.future.set_result(body)
        return True

    def fail(self, correlation_id: str, error: Exception) -> None:
        """End a wait with ``error``, unless it has ended."""
        wait = self._waiting.get(correlation_id)
        if wait is not None and not wait.future.done():
            wait.future.set_exception(error)

    def time_out(self, correlation_id: str) -> None:
        """End a wait with ``TimeoutError``, unless it has ended."""
        self.fail(correlation_id, TimeoutError())

    def fail_all(self, error: Callable[[], Exception], *, only_sent: bool) -> None:
        """End every wait, or only those whose commands were sent."""
        for correlation_id, wait in list(self._waiting.items()):
            if wait.is_sent or not only_sent:
                self.fail(correlation_id, error())
