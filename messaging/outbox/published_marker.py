"""A marker of outbox rows as published: many rows at once, some time after their messages.

A crash before the mark causes a duplicate message, which inboxes drop.
"""

import asyncio
from collections.abc import Awaitable, Callable

from django.db import DEFAULT_DB_ALIAS, Error
from django.utils import timezone

from messaging.concurrency.database import warn_unless_away
from messaging.outbox.models import AbstractOutboxMessage

INTERVAL_SECONDS = 1.0
BATCH = 500

Threaded = Callable[[Callable[[], None]], Awaitable[None]]


class PublishedMarker:
    """A collector of message ids that writes one UPDATE per batch."""

    def __init__(
        self,
        model: type[AbstractOutboxMessage],
        in_thread: Threaded,
        database: str = DEFAULT_DB_ALIAS,
    ) -> None:
        self._model = model
        self._database = database
        self._in_thread = in_thread
        self._waiting: list[str] = []
        self._task: asyncio.Task[None] | None = None

    def add(self, message_id: str) -> None:
        """Mark the row of this published message soon."""
        self._waiting.append(message_id)
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._flush_soon())

    async def flush(self) -> None:
        """Write every outstanding mark now."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._write_all()

    async def _flush_soon(self) -> None:
        while self._waiting:
            await asyncio.sleep(INTERVAL_SECONDS)
            await self._write_all()

    async def _write_all(self) -> None:
        while self._waiting and await self._write():
            pass

    async def _write(self) -> bool:
        batch = self._waiting[:BATCH]

        def update() -> None:
            rows = self._model._default_manager.using(self._database)
            rows.filter(message_id__in=batch, published_at__isnull=True).update(published_at=timezone.now())

        try:
            await self._in_thread(update)
        except Error as error:
            warn_unless_away("published messages not marked yet", error, count=len(batch))
            return False
        del self._waiting[: len(batch)]
        return True
