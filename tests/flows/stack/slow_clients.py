"""Clients that keep a server waiting in five ways, and connect again as soon as they are dropped.

`python -m tests.flows.stack.slow_clients PORT PATH COUNT [CERTIFICATE]` runs them in a process of their own,
so that they do not slow down the measured shoppers. Each second it prints the number of connected clients
and how often each kind was dropped. If the server's certificate is given, the clients use TLS.
"""

import asyncio
import json
import os
import socket
import ssl
import sys
from asyncio import StreamReader, StreamWriter
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit

from tests.support.program import Program
from tests.support.waiting import wait_until

HEAD = b"Host: localhost\r\nX: "
# A response that is larger than all buffers on its way together.
LARGE = b"GET /static/admin/js/vendor/jquery/jquery.js HTTP/1.1\r\nHost: localhost\r\n\r\n"
RECEIVE_BYTES = 4_096
PAUSE_SECONDS = 1.0
# Every slow client must be dropped within this time. A client that is not dropped counts as "never".
PATIENCE_SECONDS = 120
# The clients use so many addresses of this machine, none of which is the shoppers'.
ADDRESSES = 20


# The process ends after this time even if the test does not end it.
LONGEST_SECONDS = 600


class SlowClients:
    """A context with `count` clients of five kinds; `dropped` counts dropped connections by kind."""

    def __init__(
        self, url: str, path: str, count: int, log: Path, *, certificate: Path | None = None
    ) -> None:
        self._count = count
        command = [sys.executable, "-m", __name__, str(urlsplit(url).port), path, str(count)]
        command += [str(certificate)] if certificate else []
        self._program = Program("slow-clients", command, log=log, environment=os.environ)

    def __enter__(self) -> "SlowClients":
        self._program.start()
        wait_until(lambda: self._told[0] > 0.9 * self._count, "the slow clients to connect", seconds=60)
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: object, _trace: TracebackType | None
    ) -> None:
        self._program.kill()

    @property
    def dropped(self) -> dict[str, int]:
        return self._told[1]

    @property
    def _told(self) -> tuple[int, dict[str, int]]:
        lines = self._program.text().rpartition("\n")[0].splitlines()
        connected, dropped = json.loads(lines[-1]) if lines else (0, {})
        return connected, dropped


class Clients:
    """The clients of one process. `source` is their address; without it they use several."""

    def __init__(self, port: int, path: str, certificate: str = "", *, source: str = "") -> None:
        self._address = "127.0.0.1", port
        self._source = source
        self._path = path.encode()
        self._tls = ssl.create_default_context(cafile=certificate) if certificate else None
        self._dropped: Counter[str] = Counter()
        self._connected = 0

    async def run(self, count: int) -> None:
        kinds: list[Callable[[StreamReader, StreamWriter], Awaitable[None]]] = [
            self._silent,
            self._byte_by_byte,
            self._slow_header,
            self._slow_body,
            self._not_reading,
        ]
        async with asyncio.timeout(LONGEST_SECONDS), asyncio.TaskGroup() as clients:
            for number in range(count):
                source = self._source or f"127.0.1.{1 + number % ADDRESSES}"
                clients.create_task(self._again_and_again(kinds[number % len(kinds)], source))
            while True:
                print(json.dumps([self._connected, self._dropped]), flush=True)
                await asyncio.sleep(PAUSE_SECONDS)

    async def _again_and_again(
        self, keep_waiting: Callable[[StreamReader, StreamWriter], Awaitable[None]], source: str
    ) -> None:
        kind = keep_waiting.__name__.strip("_")
        while True:
            end = kind
            try:
                async with asyncio.timeout(PATIENCE_SECONDS):
                    await self._connect_and(keep_waiting, source)
            except (ConnectionError, ssl.SSLError):
                pass
            except TimeoutError:
                end = "never"
            self._dropped[end] += 1
            await asyncio.sleep(0.1)

    async def _connect_and(
        self, keep_waiting: Callable[[StreamReader, StreamWriter], Awaitable[None]], source: str
    ) -> None:
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
        client.setblocking(False)
        client.setsockopt(socket.IPPROTO_IP, socket.IP_BIND_ADDRESS_NO_PORT, 1)
        client.bind((source, 0))
        try:
            await asyncio.get_running_loop().sock_connect(client, self._address)
        except BaseException:
            client.close()
            raise
        host = "localhost" if self._tls else None
        reader, writer = await asyncio.open_connection(sock=client, ssl=self._tls, server_hostname=host)
        self._connected += 1
        try:
            await keep_waiting(reader, writer)
        finally:
            self._connected -= 1
            writer.transport.abort()

    async def _silent(self, reader: StreamReader, _writer: StreamWriter) -> None:
        await self._until_dropped(reader)

    async def _byte_by_byte(self, reader: StreamReader, writer: StreamWriter) -> None:
        await self._trickle(reader, writer, b"GET /" + 1_000 * b"a")

    async def _slow_header(self, reader: StreamReader, writer: StreamWriter) -> None:
        writer.write(b"GET / HTTP/1.1\r\n" + HEAD)
        await self._trickle(reader, writer, 1_000 * b"x")

    async def _slow_body(self, reader: StreamReader, writer: StreamWriter) -> None:
        writer.write(b"POST " + self._path + b" HTTP/1.1\r\nContent-Length: 9000\r\n" + HEAD + b"\r\n\r\n")
        await self._trickle(reader, writer, 1_000 * b"x")

    async def _not_reading(self, _reader: StreamReader, writer: StreamWriter) -> None:
        transport = writer.transport
        assert isinstance(transport, asyncio.Transport)
        transport.pause_reading()
        for _ in range(PATIENCE_SECONDS):
            writer.write(LARGE)
            await writer.drain()
            if transport.is_closing():
                return
            await asyncio.sleep(PAUSE_SECONDS)

    async def _trickle(self, reader: StreamReader, writer: StreamWriter, data: bytes) -> None:
        dropped = asyncio.create_task(self._until_dropped(reader))
        try:
            for byte in data:
                writer.write(bytes([byte]))
                done, _ = await asyncio.wait([dropped], timeout=PAUSE_SECONDS)
                if done:
                    return dropped.result()
        finally:
            dropped.cancel()

    async def _until_dropped(self, reader: StreamReader) -> None:
        while await reader.read(RECEIVE_BYTES):
            pass


if __name__ == "__main__":
    asyncio.run(Clients(int(sys.argv[1]), sys.argv[2], *sys.argv[4:]).run(int(sys.argv[3])))
