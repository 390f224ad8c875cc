"""A response passed to the server in one piece has the same bytes as one passed in ASGI's two messages."""

import asyncio
import gc
import re
import weakref

import pytest

from payments_gateway.serving.scope import ANSWER
from tests.serving.test_protocol import REQUEST
from tests.support.serving import connected, serving

HEADERS = [(b"Content-Type", b"text/plain"), (b"X-Other", b"a b")]


async def in_two(scope, send):
    headers = [*HEADERS, (b"Content-Length", b"5")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"hello"})


async def in_one_if_possible(scope, receive, send):
    if not scope[ANSWER](send, 200, HEADERS, b"hello"):
        await in_two(scope, send)


async def asked(application, request):
    """Return all bytes until the server closes the connection, without the date."""
    async with serving(application) as (_, address), asyncio.timeout(20):
        reader, writer = await asyncio.open_connection(*address)
        writer.write(request)
        answer = await reader.read()
        writer.close()
    return re.sub(rb"date: [^\r]*\r\n", b"", answer)


def closing(request):
    return request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(closing(REQUEST), id="GET"),
        pytest.param(closing(REQUEST.replace(b"GET", b"HEAD")), id="HEAD, which has no body"),
        pytest.param(REQUEST.replace(b"HTTP/1.1", b"HTTP/1.0"), id="HTTP/1.0, which ends the connection"),
        pytest.param(REQUEST + closing(REQUEST), id="two requests without waiting"),
    ],
)
async def test_one_piece_reads_as_two(request_):
    async def in_two_always(scope, receive, send):
        await in_two(scope, send)

    theirs, ours = await asked(in_two_always, request_), await asked(in_one_if_possible, request_)
    assert ours.lower() == theirs.lower()
    assert b"200 OK" in ours


async def test_a_wrapper_of_send_sees_the_response():
    """Wrappers that count responses, or handle refused bodies, must still get the messages."""
    seen = []

    async def watched(scope, receive, send):
        async def see(message):
            seen.append(message["type"])
            await send(message)

        await in_one_if_possible(scope, receive, see)

    assert (await asked(watched, closing(REQUEST))).endswith(b"hello")
    assert seen == ["http.response.start", "http.response.body"]


@pytest.mark.parametrize("value", [b"a\r\nSet-Cookie: b", b"a\0b"])
async def test_a_header_cannot_begin_another_one(value):
    async def split(scope, receive, send):
        scope[ANSWER](send, 200, [*HEADERS, (b"Location", value)], b"hello")

    answer = await asked(split, closing(REQUEST))
    assert answer.startswith(b"HTTP/1.1 500 ")
    assert b"Set-Cookie" not in answer


async def test_a_connection_that_has_ended_is_forgotten_without_a_search_for_garbage():
    async with serving(in_one_if_possible) as (server, address), asyncio.timeout(20):
        gc.disable()
        try:
            reader, writer = await asyncio.open_connection(*address)
            writer.write(REQUEST)
            await reader.readuntil(b"hello")
            (connection,) = server.server_state.connections
            request = weakref.ref(connection.cycle)
            del connection
            writer.close()
            await writer.wait_closed()
            while request() is not None:  # noqa: ASYNC110  nobody announces it
                await asyncio.sleep(0.01)
        finally:
            gc.enable()


@pytest.mark.parametrize("name", [b"Content-Length", b"Connection", b"Transfer-Encoding"])
async def test_an_application_that_says_where_a_response_ends_is_believed(name):
    refused = []

    async def framed(scope, receive, send):
        refused.append(not scope[ANSWER](send, 200, [(name, b"2")], b"hello"))
        await in_two(scope, send)

    assert (await asked(framed, closing(REQUEST))).endswith(b"hello")
    assert refused == [True]


async def test_a_name_cannot_begin_another_header():
    async def split(scope, receive, send):
        scope[ANSWER](send, 200, [(b"X\r\nSet-Cookie: b", b"c")], b"hello")

    answer = await asked(split, closing(REQUEST))
    assert answer.startswith(b"HTTP/1.1 500 ")
    assert b"Set-Cookie" not in answer


async def test_a_websocket_does_not_begin_while_a_request_is_answered(caplog):
    async def answer(scope, receive, send):
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close"})
            return
        await in_one_if_possible(scope, receive, send)

    upgrade = (
        b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    async with serving(answer) as (_, address), connected(address) as connection:
        connection.say(REQUEST + upgrade)
        assert [(await connection.answer()).status for _ in range(2)] == [200, 403]
    assert not [record for record in caplog.records if record.exc_info]
