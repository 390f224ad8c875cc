"""Requirements of HTTP on a server that uvicorn does not enforce."""

import asyncio

import pytest

from tests.support.serving import connected, serving

GET = b"GET /first HTTP/1.1\r\nHost: localhost\r\n\r\n"
HANDSHAKE = (
    b"GET /socket HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n"
)


async def application(scope, receive, send):
    """Accept a WebSocket. Answer a request with its host and address once its body is complete."""
    message = await receive()
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        await receive()
        return
    while message.get("more_body"):
        message = await receive()
    if message["type"] == "http.disconnect":
        return
    hosts = b",".join(value for name, value in scope["headers"] if name == b"host")
    body = hosts + b" " + scope["raw_path"] + b"?" + scope["query_string"]
    await send(
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [(b"content-length", b"%d" % len(body))],
        }
    )
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
def begun():
    """Return an event that is set when the application gets a request."""
    return asyncio.Event()


@pytest.fixture
async def connection(begun):
    async def noted(scope, receive, send):
        begun.set()
        await application(scope, receive, send)

    async with serving(noted) as (_, address), connected(address) as connection:
        yield connection


def fields(*lines):
    return b"\r\n".join([*lines, b"", b""])


@pytest.mark.parametrize(
    "request_head",
    [
        fields(b"GET / HTTP/1.1"),
        fields(b"GET / HTTP/1.1", b"Host: localhost", b"Host: localhost"),
        fields(b"GET / HTTP/1.0", b"Host: localhost", b"Host: evil.example"),
        fields(b"GET http://localhost/ HTTP/1.1"),
        fields(b"GET ftp://localhost/ HTTP/1.1", b"Host: localhost"),
        fields(b"GET http:/// HTTP/1.1", b"Host: localhost"),
        fields(b"CONNECT localhost:80 HTTP/1.1", b"Host: localhost"),
        fields(b"GET / HTTP/1.1", b"Host: localhost", b"nonsense"),
        fields(b"SSH-2.0-OpenSSH_9.2"),
        HANDSHAKE.replace(b"Host: localhost\r\n", b"") % b"",
        HANDSHAKE % b"Host: evil.example\r\n",
    ],
)
async def test_what_is_no_request_is_answered_as_a_problem(connection, request_head):
    connection.say(request_head)
    answer = await connection.answer()
    assert (answer.status, answer.problem) == (400, "malformed")
    assert await connection.is_closed()


async def test_a_request_of_http_1_0_needs_no_host(connection):
    connection.say(fields(b"GET / HTTP/1.0"))
    assert (await connection.answer()).body == b" /?"


@pytest.mark.parametrize(
    ("target", "seen"),
    [
        (b"http://evil.example/a?b=1", b"evil.example /a?b=1"),
        (b"http://localhost:8000", b"localhost:8000 /?"),
        (b"HTTPS://localhost?b", b"localhost /?b"),
        (b"/a?b=http://evil.example/", b"localhost /a?b=http://evil.example/"),
    ],
)
async def test_the_authority_of_an_absolute_address_takes_the_place_of_host(connection, target, seen):
    connection.say(fields(b"GET " + target + b" HTTP/1.1", b"Accept: */*", b"Host: localhost"))
    assert (await connection.answer()).body == seen


EXPECT = b"POST / HTTP/%s\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"


async def test_a_client_of_http_1_0_is_not_told_to_continue(connection, begun):
    connection.say(EXPECT % b"1.0")
    await begun.wait()
    connection.say(b"abc")
    assert (await connection.answer()).status == 200


async def test_a_client_of_http_1_1_is_told_to_continue(connection):
    connection.say(EXPECT % b"1.1")
    assert (await connection.answer()).status == 100
    connection.say(b"abc")
    assert (await connection.answer()).status == 200


@pytest.mark.parametrize("count", [1, 3])
async def test_requests_before_an_upgrade_are_answered_before_it(connection, count):
    connection.say(GET * count + HANDSHAKE % b"")
    for _ in range(count):
        assert (await connection.answer()).body == b"localhost /first?"
    assert (await connection.answer()).status == 101


async def test_an_upgrade_alone_is_made(connection):
    connection.say(HANDSHAKE % b"")
    assert (await connection.answer()).status == 101


async def test_an_upgrade_to_what_is_not_spoken_here_is_the_last_request(connection):
    """The bytes that follow may belong to the other protocol, and must not be parsed as a request."""
    head = b"POST / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: %d"
    connection.say(head % len(GET) + b"\r\n\r\n")
    await asyncio.sleep(0)
    connection.say(GET)
    answer = await connection.answer()
    assert (answer.status, answer.headers["connection"]) == (200, "close")
    assert await connection.is_closed()


async def test_a_handshake_that_the_websocket_library_cannot_read_is_answered(connection):
    connection.say(HANDSHAKE % (b"X-Long: " + b"x" * 9_000 + b"\r\n"))
    assert (await connection.answer()).status == 400
    assert await connection.is_closed()


async def test_nonsense_behind_a_request_is_refused_behind_its_answer(connection):
    connection.say(GET + GET + b"nonsense\r\n\r\n")
    assert [(await connection.answer()).status for _ in range(3)] == [200, 200, 400]
    assert await connection.is_closed()


@pytest.mark.parametrize("before", [b"", GET, GET + GET])
async def test_a_broken_body_is_refused_in_the_place_of_its_answer(connection, begun, before):
    broken = b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
    connection.say(before + broken)
    await begun.wait()
    connection.say(b"none\r\n" + GET)
    for _ in range(before.count(b"GET")):
        assert (await connection.answer()).status == 200
    assert (await connection.answer()).status == 400
    assert await connection.is_closed()
