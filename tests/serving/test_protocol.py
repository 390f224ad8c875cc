"""The server's connections: pipelined requests, departed clients, slow readers, and the process's end."""

import asyncio
import socket
import struct

import pytest
import uvicorn

from payments_gateway.serving.http.protocol import HardenedHttpProtocol
from payments_gateway.serving.http.writing import JoinedWrites
from payments_gateway.serving.scope import WHEN_LEFT
from tests.support.serving import serving, until

REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def hello(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
    await send({"type": "http.response.body", "body": b"hello"})


@pytest.fixture
async def server():
    """Yield a server that answers on a free port."""
    async with serving(hello) as running:
        yield running


async def test_a_request_hears_that_its_client_has_left():
    begun, left = asyncio.Event(), asyncio.Event()

    async def wait(scope, receive, send):
        scope[WHEN_LEFT].append(left.set)
        begun.set()
        await left.wait()

    async with serving(wait) as (_, address), asyncio.timeout(20):
        _, writer = await asyncio.open_connection(*address)
        writer.write(REQUEST)
        await begun.wait()
        writer.close()
        await left.wait()


async def test_a_request_with_a_large_body_behind_its_head_hears_it_too():
    begun, left = asyncio.Event(), asyncio.Event()
    size = 100_000

    async def wait(scope, receive, send):
        scope[WHEN_LEFT].append(left.set)
        begun.set()
        while (await receive())["more_body"]:
            pass
        await left.wait()

    async with serving(wait) as (_, address), asyncio.timeout(20):
        _, writer = await asyncio.open_connection(*address)
        writer.write(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % size)
        await begun.wait()
        writer.write(b"0" * size)
        await writer.drain()
        writer.close()
        await left.wait()


async def test_requests_sent_without_waiting_are_answered_one_after_the_other():
    async def name(scope, receive, send):
        await asyncio.sleep(0)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": scope["path"].encode()})

    async with serving(name) as (_, address), asyncio.timeout(20):
        reader, writer = await asyncio.open_connection(*address)
        writer.write(b"".join(REQUEST.replace(b"/", b"/" + name, 1) for name in (b"a", b"b", b"c", b"d")))
        answers = [(await reader.readuntil(b"\r\n\r\n/" + name))[-2:] for name in (b"a", b"b", b"c", b"d")]
        assert answers == [b"/a", b"/b", b"/c", b"/d"]
        writer.close()


async def test_a_client_that_reads_slowly_gets_all_and_is_waited_for():
    part, parts = b"0" * 1_000, 30_000
    sent = 0

    async def much(scope, receive, send):
        nonlocal sent
        headers = [(b"content-length", b"%d" % (len(part) * parts))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for number in range(parts):
            await send({"type": "http.response.body", "body": part, "more_body": number + 1 < parts})
            sent += 1

    async with serving(much) as (server, address), asyncio.timeout(20):
        reader, writer = await asyncio.open_connection(*address)
        writer.write(REQUEST)
        await reader.readuntil(b"\r\n\r\n")
        (held,) = server.server_state.connections
        await until(lambda: held.flow.write_paused)
        assert sent < parts
        assert len(await reader.readexactly(len(part) * parts)) == len(part) * parts
        writer.close()


async def test_a_request_on_its_way_is_answered_by_a_server_that_ends(server):
    running, address = server
    reader, writer = await asyncio.open_connection(*address)
    async with asyncio.timeout(20):
        while not running.server_state.connections:  # noqa: ASYNC110  nobody announces it
            await asyncio.sleep(0.01)
        running.should_exit = True
        while not await is_closed(address):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        writer.write(REQUEST)
        answer = (await reader.read()).lower()
    assert answer.startswith(b"http/1.1 200")
    assert b"connection: close" in answer
    assert answer.endswith(b"hello")
    writer.close()
    await writer.wait_closed()


async def test_a_connection_on_which_nothing_is_asked_does_not_keep_the_server_from_ending(server):
    running, address = server
    reader, writer = await asyncio.open_connection(*address)
    running.should_exit = True
    assert await asyncio.wait_for(reader.read(), 20) == b""
    writer.close()
    await writer.wait_closed()


async def is_closed(address):
    try:
        _, writer = await asyncio.open_connection(*address)
    except ConnectionError:
        return True
    writer.close()
    await writer.wait_closed()
    return False


class Written(asyncio.Transport):
    """A transport that records written data and its closing."""

    def __init__(self):
        super().__init__()
        self.story = []

    def write(self, data):
        self.story.append(bytes(data))

    def close(self):
        self.story.append("closed")

    def is_closing(self):
        return "closed" in self.story

    def get_write_buffer_size(self):
        return 0


async def test_what_is_written_in_one_turn_leaves_together_and_before_a_close():
    transport = Written()
    joined = JoinedWrites(transport)
    joined.write(b"head ")
    joined.write(b"body")
    await asyncio.sleep(0)
    joined.write(b"the end")
    joined.close()
    await asyncio.sleep(0)
    assert transport.story == [b"head body", b"the end", "closed"]
    assert joined.is_closing()


async def test_a_client_that_resets_the_connection_while_nothing_is_read_is_closed_without_an_error():
    """Reading is paused while a large body waits for the application, so a reset is not noticed."""
    made: asyncio.Future[asyncio.Transport] = asyncio.get_running_loop().create_future()
    lost = asyncio.Event()

    class Protocol(asyncio.Protocol):
        def connection_made(self, transport):
            made.set_result(transport)

        def connection_lost(self, exc):
            lost.set()

    server = await asyncio.get_running_loop().create_server(Protocol, "127.0.0.1", 0)
    async with server, asyncio.timeout(20):
        client = socket.create_connection(server.sockets[0].getsockname())
        transport = await made
        transport.pause_reading()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        joined = JoinedWrites(transport)
        joined.is_arriving = True
        try:
            joined.close()
            await lost.wait()
        finally:
            transport.abort()


async def test_no_packet_waits_for_an_acknowledgement_on_a_socket_that_was_handed_over():
    """With ``--fd`` the server takes the socket for a UNIX one, and does not set TCP_NODELAY itself."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
        config = uvicorn.Config(
            hello, http=HardenedHttpProtocol, lifespan="off", log_config=None, loop="asyncio"
        )
        server = uvicorn.Server(config)
        mistaken = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, fileno=listener.detach())
        task = asyncio.create_task(server._serve([mistaken]))
        reader, writer = await asyncio.open_connection(*address)
        writer.write(REQUEST)
        await reader.readuntil(b"hello")
        (connection,) = server.server_state.connections
        accepted = connection._transport.get_extra_info("socket")
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        writer.close()
        server.should_exit = True
        await asyncio.wait_for(task, 20)
