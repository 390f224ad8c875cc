"""The status page's WebSocket, on which a shopper waits between two polls, as the page's script does."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html import unescape
from urllib.parse import urljoin

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

SOCKET = re.compile(r'data-socket="([^"]+)"')
OPEN_SECONDS = 5


class Ear:
    """A WebSocket that reports a payment's changes. If it breaks, its owner polls after the time-out."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def wait_for_news(self, seconds: float) -> None:
        """Wait for a message, at most so many seconds."""
        began = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(seconds):
                await self._connection.recv()
        except TimeoutError:
            pass
        except (WebSocketException, OSError):
            await asyncio.sleep(began + seconds - asyncio.get_running_loop().time())

    def abort(self) -> None:
        """Abort the connection without a closing handshake."""
        self._connection.transport.abort()


@asynccontextmanager
async def listening(page: str, gateway: str, ears: set[Ear]) -> AsyncIterator[Ear | None]:
    """Yield a WebSocket for this status page, which is in `ears` while open, or None if it cannot connect."""
    found = SOCKET.search(page)
    address = urljoin(gateway.replace("http", "ws", 1), unescape(found[1])) if found else ""
    try:
        connection = await connect(address, origin=gateway, open_timeout=OPEN_SECONDS)  # type: ignore[arg-type]
    except (WebSocketException, OSError, TimeoutError, EOFError):
        yield None
        return
    ear = Ear(connection)
    ears.add(ear)
    try:
        yield ear
    finally:
        ears.discard(ear)
        with contextlib.suppress(WebSocketException, OSError):
            await connection.close()
