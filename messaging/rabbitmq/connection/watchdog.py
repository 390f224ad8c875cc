"""A watchdog that detects dead connections earlier than TCP or heartbeats do."""

import asyncio
from collections.abc import Callable

INTERVAL_SECONDS = 2.0
MISSES = 3


class Watchdog:
    """A loop that sends a message to this process's own queue at every interval, and counts missing ones.

    ``send`` publishes one such message. While ``may_judge`` returns False, a missing message does not count:
    there is no connection, or the broker has blocked publishing, which has its own time limit.
    """

    def __init__(
        self,
        send: Callable[[], None],
        may_judge: Callable[[], bool],
        give_up: Callable[[], None],
        interval_seconds: float = INTERVAL_SECONDS,
    ) -> None:
        self._send = send
        self._may_judge = may_judge
        self._give_up = give_up
        self._interval_seconds = interval_seconds
        self._unheard = 0

    def heard(self) -> None:
        """Note that one of the watchdog's messages has arrived."""
        self._unheard = 0

    async def run(self) -> None:
        """Send and count until cancelled."""
        while True:
            await asyncio.sleep(self._interval_seconds)
            if not self._may_judge():
                self._unheard = 0
            elif self._unheard >= MISSES:
                self._unheard = 0
                self._give_up()
            else:
                self._unheard += 1
                self._send()
