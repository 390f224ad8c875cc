"""The status page's WebSocket, which a shopper listens to between two looks, as the page's script does."""

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
    """Hears that a payment has moved on. A broken one hears nothing, and its owner looks when it is time."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def wait_for_news(self, seconds: float) -> None:
        """Return when there is news, or after so many seconds."""
        began = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(seconds):
                await self._connection.recv()
        except TimeoutError:
            pass
        except (WebSocketException, OSError):
            await asyncio.sleep(began + seconds - asyncio.get_running_loop().time())

    def abort(self) -> None:
        """Break the connection without a word."""
        self._connection.transport.abort()


@asynccontextmanager
async def listening(page: str, gateway: str, ears: set[Ear]) -> AsyncIterator[Ear | None]:
    """An ear for the payment of this status page, in `ears` while it is open; None if it cannot be had."""
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
