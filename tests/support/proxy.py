"""A TCP relay between a client and a server, which a test can cut, hold or close."""

import asyncio
import contextlib
from urllib.parse import urlsplit, urlunsplit


class Proxy:
    """Listens on a free loopback port for one test. ``url`` is the server's address through this relay."""

    def __init__(self, url: str) -> None:
        self._target = urlsplit(url)
        self._server: asyncio.Server | None = None
        self._port = 0
        self._writers: set[asyncio.StreamWriter] = set()
        self._clients: set[asyncio.StreamWriter] = set()
        self._serving: set[asyncio.Task[None]] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self.accepted = 0

    @property
    def url(self) -> str:
        login = self._target.netloc.rpartition("@")[0]
        return urlunsplit(self._target._replace(netloc=f"{login}@127.0.0.1:{self._port}"))

    @property
    def open(self) -> int:
        """How many connections there are."""
        return len(self._clients)

    async def accept(self) -> None:
        """Take connections."""
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)
            self._port = self._server.sockets[0].getsockname()[1]

    async def refuse(self) -> None:
        """Cut every connection and take no new one."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.cut()

    def cut(self) -> None:
        """Reset every connection."""
        for writer in list(self._writers):
            writer.transport.abort()
        self._flowing.set()

    def hold(self) -> None:
        """Keep connections open and pass nothing on, as a broken network does."""
        self._flowing.clear()

    def let_go(self) -> None:
        """Pass on again, what was held first."""
        self._flowing.set()

    def say_to_clients(self, data: bytes) -> None:
        """Put bytes of our own into what clients receive."""
        for writer in self._clients:
            writer.write(data)

    async def close(self) -> None:
        """Leave no socket behind, not even of a connection that is only just being made."""
        await self.refuse()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)
        self._clients.add(writer)
        ends = {writer}
        self._writers |= ends
        try:
            with contextlib.suppress(OSError):
                upstream_reader, upstream = await asyncio.open_connection(
                    self._target.hostname, self._target.port or 5672
                )
                ends.add(upstream)
                self._writers.add(upstream)
                await asyncio.gather(self._pass_on(reader, upstream), self._pass_on(upstream_reader, writer))
        finally:
            self._writers -= ends
            self._clients.discard(writer)
            for end in ends:
                end.transport.abort()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                await self._flowing.wait()
                writer.write(data)
                await writer.drain()
        writer.transport.abort()
