"""The test relay forwards all bytes in order, whatever a test does to the connection."""

import asyncio

import pytest

from tests.support.proxy import Proxy

BLOCK = bytes(range(256)) * 400


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
    writer.close()


async def test_nothing_is_lost_or_overtaken():
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    proxy = Proxy(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    await proxy.accept()
    port = int(proxy.url.rpartition(":")[2])
    proxy.hold()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(BLOCK)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.read(1), 0.1)
    proxy.let_go()
    assert await reader.readexactly(len(BLOCK)) == BLOCK
    proxy.delay(0.05)
    writer.write(BLOCK[:1000])
    await asyncio.sleep(0.01)
    proxy.delay(0)
    writer.write(BLOCK[1000:])
    assert await reader.readexactly(len(BLOCK)) == BLOCK
    proxy.forget_servers()
    writer.write(b"is anybody there?")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.read(1), 0.1)
    proxy.cut()
    with pytest.raises(OSError):
        await reader.readexactly(1)
    await proxy.close()
    server.close()
