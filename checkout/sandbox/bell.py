"""Tells the background tasks that the books have changed."""

import asyncio


class Bell:
    def __init__(self) -> None:
        self._listeners: list[asyncio.Event] = []

    def listen(self) -> asyncio.Event:
        """An event of the listener's own, which the listener clears before it looks at the books."""
        event = asyncio.Event()
        self._listeners.append(event)
        return event

    def ring(self) -> None:
        for event in self._listeners:
            event.set()
