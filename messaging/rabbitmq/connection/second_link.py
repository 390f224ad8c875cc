"""A connection beside the main one, for queues that may end the connection on which they are read."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from pika.exceptions import AMQPError

from messaging.rabbitmq.connection.link import Link


class NoSecondLink(AMQPError):
    """The second connection cannot be opened, for example because the broker limits their number."""


class SecondLink:
    """A connection to the address of ``main``, opened for its first user and closed after its last one.

    All users share it. Users that may end it take turns, so that it is known which of them has ended it.
    """

    def __init__(self, main: Link) -> None:
        self.main = main
        self.turn = asyncio.Lock()
        self._opening = asyncio.Lock()
        self._link: Link | None = None
        self._users = 0

    @contextlib.asynccontextmanager
    async def used(self) -> AsyncIterator[Link]:
        """Yield the second connection. Raises NoSecondLink if it cannot be opened."""
        self._users += 1
        try:
            yield await self._opened()
        finally:
            self._users -= 1
            if not self._users and self._link is not None:
                link, self._link = self._link, None
                await link.close()

    async def _opened(self) -> Link:
        async with self._opening:
            if self._link is None or not self._link.is_open:
                self._link = await self.another()
            return self._link

    async def another(self) -> Link:
        """Open a further connection, for work that must not end the shared one. Raises NoSecondLink."""
        try:
            return await self.main.another()
        except (AMQPError, OSError) as error:
            raise NoSecondLink(f"no second connection: {error}") from error
