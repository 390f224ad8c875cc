"""Notices to the background tasks that the books have changed."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class ChangeSignal:
    def __init__(self) -> None:
        self._listeners: list[asyncio.Event] = []

    @contextmanager
    def listening(self) -> Iterator[asyncio.Event]:
        """Yield an event for one listener, which must clear the event before it reads the books."""
        event = asyncio.Event()
        self._listeners.append(event)
        try:
            yield event
        finally:
            self._listeners.remove(event)

    def notify(self) -> None:
        for event in self._listeners:
            event.set()


async def changed_within(event: asyncio.Event, seconds: float | None) -> bool:
    """Wait for a change, at most `seconds` (None: without limit). Return True if there was a change."""
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return False
    return True
