"""Tells the background tasks that the books have changed."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class ChangeSignal:
    def __init__(self) -> None:
        self._listeners: list[asyncio.Event] = []

    @contextmanager
    def listening(self) -> Iterator[asyncio.Event]:
        """An event of the listener's own, which the listener clears before it looks at the books."""
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
    """Wait for a change, at most for so many seconds (None: without limit). Return True if there was one."""
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return False
    return True
