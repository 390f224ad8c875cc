"""An ASGI application on our server, in this process, and connections to it."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn

from payments_gateway.serving.http.protocol import HardenedHttpProtocol

SECONDS = 30


@asynccontextmanager
async def serving(application: Any, **options: Any) -> AsyncIterator[tuple[uvicorn.Server, tuple[str, int]]]:
    """Serve ``application`` on a free port. Yield the server and its address."""
    config = uvicorn.Config(
        application, http=HardenedHttpProtocol, lifespan="off", log_config=None, **options
    )
    server = uvicorn.Server(config)
    listener = socket.create_server(("127.0.0.1", 0))
    address = listener.getsockname()
    task = asyncio.create_task(server._serve([listener]))
    yield server, address
    server.should_exit = True
    await asyncio.wait_for(task, 20)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def problem(self) -> str:
        """Return the code of a problem document, after checking the headers that all our responses have."""
        assert self.headers["content-type"] == "application/problem+json"
        assert "default-src 'none'" in self.headers["content-security-policy"]
        assert self.headers["x-content-type-options"] == "nosniff"
        document = json.loads(self.body)
        assert document["status"] == self.status
        return str(document["type"].rpartition("/")[2])


class Connection:
    """A client that can send any bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def say(self, data: bytes) -> None:
        self.writer.write(data)

    def stop_reading(self) -> None:
        """Stop reading, so that received data stays in the kernel's buffer."""
        transport = self.writer.transport
        assert isinstance(transport, asyncio.Transport)
        transport.pause_reading()

    async def answer(self) -> Answer:
        """Read the next answer completely."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        line, *fields = head.strip().split("\r\n")
        headers = {name.lower(): value for name, value in (field.split(": ", 1) for field in fields)}
        body = await self.reader.readexactly(int(headers.get("content-length", 0)))
        return Answer(int(line.split()[1]), headers, body)

    async def is_closed(self) -> bool:
        """Wait until the server closes the connection. Return False if it sends data first."""
        try:
            return await self.reader.read(1) == b""
        except ConnectionError:
            return True


@asynccontextmanager
async def connected(address: tuple[str, int]) -> AsyncIterator[Connection]:
    async with asyncio.timeout(SECONDS):
        connection = Connection(*await asyncio.open_connection(*address, limit=2**20))
        try:
            yield connection
        finally:
            connection.writer.transport.abort()


async def until(condition: Callable[[], bool]) -> None:
    """Poll until the condition holds."""
    async with asyncio.timeout(SECONDS):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
