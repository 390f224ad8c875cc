"""A TCP relay between a client and a server, which a test can cut, hold, slow down or close."""

import asyncio
import socket
import struct
from collections import deque
from typing import cast
from urllib.parse import urlsplit, urlunsplit


class Proxy:
    """A relay on a free loopback port, for one test. ``url`` is the server's address through this relay."""

    def __init__(self, url: str) -> None:
        self._target = urlsplit(url)
        self._server: asyncio.Server | None = None
        self._port = 0
        self._pairs: set[_Pair] = set()
        self._is_holding = False
        self._unanswered, self._passed_before = b"", 0
        self.delay_seconds = 0.0
        self.accepted = 0

    @property
    def url(self) -> str:
        login, at, _ = self._target.netloc.rpartition("@")
        return urlunsplit(self._target._replace(netloc=f"{login}{at}127.0.0.1:{self._port}"))

    @property
    def open(self) -> int:
        """The number of open connections."""
        return len(self._pairs)

    async def accept(self) -> None:
        """Accept connections."""
        if self._server is None:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(self._new_client, "127.0.0.1", self._port)
            self._port = self._server.sockets[0].getsockname()[1]

    async def refuse(self) -> None:
        """Reset every connection and accept no new one."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.cut()

    def cut(self) -> None:
        """Reset every connection."""
        self._is_holding = False
        for pair in list(self._pairs):
            pair.abort()

    def hold(self) -> None:
        """Keep connections open but forward nothing, as a broken network does."""
        self._is_holding = True
        for pair in self._pairs:
            pair.pause()

    def let_go(self) -> None:
        """Forward again, starting with the bytes that were held."""
        self._is_holding = False
        for pair in self._pairs:
            pair.resume()

    def forget_servers(self) -> None:
        """Reset connections on the server's side only. The client's side stays open, and receives nothing."""
        for pair in self._pairs:
            pair.forget_server()

    def delay(self, seconds: float) -> None:
        """Delay all bytes from now on by this many seconds, in each direction."""
        self.delay_seconds = seconds

    def lose_answer_to(self, request: bytes, *, number: int = 1) -> None:
        """Pass on the n-th piece of data from clients with this text; cut the connection at its answer."""
        self._unanswered, self._passed_before = request, number - 1

    @property
    def has_lost_answer(self) -> bool:
        """Return True once such data was passed on."""
        return not self._unanswered

    def is_last_of(self, data: bytes) -> bool:
        """Return True if the answer to this data from a client is the one to be lost."""
        if not self._unanswered or self._unanswered not in data:
            return False
        if self._passed_before:
            self._passed_before -= 1
            return False
        self._unanswered = b""
        return True

    def lead_to(self, url: str) -> None:
        """Reset every connection, and connect new ones to another server."""
        self._target = urlsplit(url)
        self.cut()

    def say_to_clients(self, data: bytes) -> None:
        """Insert these bytes into the data that clients receive."""
        for pair in self._pairs:
            pair.client.write(data)

    async def close(self) -> None:
        """Close every socket, including those of connections that are still being made."""
        connecting = [pair.connecting for pair in self._pairs if pair.connecting]
        await self.refuse()
        await asyncio.gather(*connecting, return_exceptions=True)
        # Transports close their sockets in the next iteration of the event loop.
        await asyncio.sleep(0)

    def _new_client(self) -> "_End":
        self.accepted += 1
        pair = _Pair(self)
        self._pairs.add(pair)
        return pair.client

    async def _connect(self, pair: "_Pair") -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.create_connection(
                lambda: pair.server, str(self._target.hostname), self._target.port or 5672
            )
        except OSError:
            pair.abort()
        else:
            pair.resume()


class _Pair:
    """One connection through the relay."""

    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy
        self.client = _End(self)
        self.server = _End(self)
        self.connecting: asyncio.Task[None] | None = None
        self._is_ended = False
        self._server_is_forgotten = False
        self._ends_at_answer = False

    def other(self, end: "_End") -> "_End":
        return self.server if end is self.client else self.client

    def made(self, end: "_End") -> None:
        end.pause()
        if self._is_ended:
            end.abort()
        elif end is self.client:
            self.connecting = asyncio.get_running_loop().create_task(self.proxy._connect(self))

    def lost(self, end: "_End") -> None:
        """Handle the end of one side: close the other side once all data has been sent to it."""
        if self._server_is_forgotten and end is self.server:
            return
        self._end()
        self.other(end).close()

    def ends_with(self, end: "_End", data: bytes) -> bool:
        """If this data is the answer that is to be lost, cut the connection and return True."""
        if end is self.client:
            self._ends_at_answer = self._ends_at_answer or self.proxy.is_last_of(data)
        elif self._ends_at_answer:
            self.abort()
            return True
        return False

    @property
    def is_flowing(self) -> bool:
        return self.client.is_connected and self.server.is_connected and not self.proxy._is_holding

    def pause(self) -> None:
        self.client.pause()
        self.server.pause()

    def resume(self) -> None:
        """Forward the held bytes and resume reading, if both ends are connected and the relay is not held."""
        if self.is_flowing:
            self.client.resume()
            self.server.resume()

    def forget_server(self) -> None:
        self._server_is_forgotten = True
        self.server.abort()

    def abort(self) -> None:
        self._end()
        self.client.abort()
        self.server.abort()

    def _end(self) -> None:
        self._is_ended = True
        self.proxy._pairs.discard(self)
        if self.connecting is not None:
            self.connecting.cancel()


class _End(asyncio.Protocol):
    """One of the two sockets of a connection. The other socket sends the bytes that this one receives."""

    def __init__(self, pair: _Pair) -> None:
        self._pair = pair
        self._transport: asyncio.Transport | None = None
        # Bytes that arrived before the other end was connected, or while the relay was held.
        self._held: list[bytes] = []
        self._late: deque[tuple[float, bytes]] = deque()

    @property
    def is_connected(self) -> bool:
        return self._transport is not None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._pair.made(self)

    def data_received(self, data: bytes) -> None:
        if self._pair.ends_with(self, data):
            return
        if self._pair.is_flowing:
            self._pass_on(data)
        else:
            self._held.append(data)
            self.pause()

    def connection_lost(self, _error: Exception | None) -> None:
        self._transport = None
        self._pair.lost(self)

    def pause_writing(self) -> None:
        self._pair.other(self).pause()

    def resume_writing(self) -> None:
        if self._pair.is_flowing:
            self._pair.other(self).resume()

    def write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def pause(self) -> None:
        if self._transport is not None:
            self._transport.pause_reading()

    def resume(self) -> None:
        held, self._held = self._held, []
        for data in held:
            self._pass_on(data)
        if self._transport is not None:
            self._transport.resume_reading()

    def _pass_on(self, data: bytes) -> None:
        seconds = self._pair.proxy.delay_seconds
        if seconds or self._late:
            loop = asyncio.get_running_loop()
            self._late.append((loop.time() + seconds, data))
            if len(self._late) == 1:
                loop.call_later(seconds, self._pass_on_late)
        else:
            self._pair.other(self).write(data)

    def _pass_on_late(self) -> None:
        """Forward delayed bytes in the order of arrival, even if the delay was shortened meanwhile."""
        loop = asyncio.get_running_loop()
        while self._late and self._late[0][0] <= loop.time():
            self._pair.other(self).write(self._late.popleft()[1])
        if self._late:
            loop.call_at(self._late[0][0], self._pass_on_late)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Reset the connection: a socket closed with SO_LINGER of 0 seconds sends RST instead of FIN."""
        if self._transport is not None:
            connection = self._transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._transport.abort()
