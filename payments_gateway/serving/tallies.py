"""Numbers about requests that this process counts (``messaging.tallies``), and the lag of its event loop."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from messaging.tallies import Tally, Times

LOOK_EVERY_SECONDS = 0.5

answers = Times("http_request_seconds", "Time to make the response of a request.", "tier", "view", "status")
departures = Tally("departures", "Requests whose client has left before the response.", "view")
loop_lags = Times(
    "event_loop_lag_seconds", "Time by which the event loop was late, looked at twice a second."
)


@contextmanager
def lag_watched() -> Iterator[None]:
    """Note the lag of the running event loop inside this context."""
    loop = asyncio.get_running_loop()
    timer: asyncio.TimerHandle

    def look(due: float) -> None:
        nonlocal timer
        now = loop.time()
        loop_lags.note(max(0.0, now - due))
        timer = loop.call_at(now + LOOK_EVERY_SECONDS, look, now + LOOK_EVERY_SECONDS)

    first = loop.time() + LOOK_EVERY_SECONDS
    timer = loop.call_at(first, look, first)
    try:
        yield
    finally:
        timer.cancel()
