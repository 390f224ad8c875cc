"""Wake the senders of this process after deliveries were written. Senders of other processes poll."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction

_sleepers: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()


@contextmanager
def woken_by_writes(event: asyncio.Event) -> Iterator[None]:
    """Set ``event`` after each write until the block ends. Call this function on the event's loop."""
    sleeper = (asyncio.get_running_loop(), event)
    _sleepers.add(sleeper)
    try:
        yield
    finally:
        _sleepers.discard(sleeper)


def wake_after_commit() -> None:
    """Wake the senders when the current transaction has been committed."""
    transaction.on_commit(_wake, robust=True)


def _wake() -> None:
    for loop, event in list(_sleepers):
        if not loop.is_closed():
            loop.call_soon_threadsafe(event.set)
