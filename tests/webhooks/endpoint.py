"""An endpoint of a merchant on a loopback port, which behaves as its path says."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@dataclass(frozen=True)
class Received:
    """A request as it arrived."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Endpoint:
    """A server that answers `/` with 200, and misbehaves at other paths. `received` has complete requests.

    `behaviour` maps paths to answers; a path that is not listed is answered with 200.
    """

    port: int = 0
    tls: bool = False
    received: list[Received] = field(default_factory=list)
    behaviour: dict[str, Callable[["Exchange"], Awaitable[None]]] = field(default_factory=dict)
    connections: int = 0
    released: asyncio.Event = field(default_factory=asyncio.Event)
    arrived: asyncio.Condition = field(default_factory=asyncio.Condition)

    def url(self, path: str = "/", host: str = "127.0.0.1") -> str:
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}{path}"

    async def has_received(self, number: int) -> None:
        """Wait until so many requests have arrived."""
        async with asyncio.timeout(20), self.arrived:
            await self.arrived.wait_for(lambda: len(self.received) >= number)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while (request := await _request(reader)) is not None:
                async with self.arrived:
                    self.received.append(request)
                    self.arrived.notify_all()
                behaviour = self.behaviour.get(request.path, answer(200))
                await behaviour(Exchange(self, request, writer))
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@dataclass(frozen=True)
class Exchange:
    """A request and the way to answer it."""

    endpoint: Endpoint
    request: Received
    writer: asyncio.StreamWriter

    async def write(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()


def answer(status: int, body: bytes = b"ok", **headers: str) -> Callable[[Exchange], Awaitable[None]]:
    """Return a behaviour that answers with this status, at once."""
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    head = "\r\n".join([f"HTTP/1.1 {status} Status", f"Content-Length: {len(body)}", *lines])

    async def behave(exchange: Exchange) -> None:
        await exchange.write(f"{head}\r\n\r\n".encode() + body)

    return behave


async def hang(exchange: Exchange) -> None:
    """Answer nothing until the test is over."""
    await exchange.endpoint.released.wait()


async def drip(exchange: Exchange) -> None:
    """Answer 200, and then a byte of the body now and then, without end."""
    await exchange.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while not exchange.endpoint.released.is_set():
        await exchange.write(b".")
        await asyncio.sleep(0.01)


async def close_half_way(exchange: Exchange) -> None:
    await exchange.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
    exchange.writer.close()


async def close_at_once(exchange: Exchange) -> None:
    exchange.writer.close()


async def flood(exchange: Exchange) -> None:
    """Answer 200 with a body that does not end."""
    await exchange.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while not exchange.endpoint.released.is_set():
        await exchange.write(b"2000\r\n" + b"x" * 8192 + b"\r\n")


async def promise(exchange: Exchange) -> None:
    """Answer 100 Continue without end, and never with a final status."""
    while not exchange.endpoint.released.is_set():
        await exchange.write(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)


async def mumble(exchange: Exchange) -> None:
    """Answer 200 with a chunk whose extension does not end."""
    await exchange.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a=")
    while not exchange.endpoint.released.is_set():
        await exchange.write(b"x" * 8192)


async def talk_nonsense(exchange: Exchange) -> None:
    await exchange.write(b"SMTP nonsense\r\n\r\n")
    exchange.writer.close()


@asynccontextmanager
async def serving(tls: ssl.SSLContext | None = None) -> AsyncIterator[Endpoint]:
    """Yield an endpoint that serves on a free port of 127.0.0.1."""
    endpoint = Endpoint(tls=tls is not None)
    server = await asyncio.start_server(endpoint.serve, "127.0.0.1", 0, ssl=tls)
    endpoint.port = server.sockets[0].getsockname()[1]
    try:
        yield endpoint
    finally:
        endpoint.released.set()
        server.close()
        server.close_clients()


async def _request(reader: asyncio.StreamReader) -> Received | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.strip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Received(first.split(" ")[1], headers, body)
