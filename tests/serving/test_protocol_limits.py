"""The limits on the size of requests, and on slow sending and reading."""

import asyncio
import contextlib
import http.client
import json
import select
import socket

import pytest

from payments_gateway.serving.body_limit import BodyLimit
from payments_gateway.serving.http import connection_limit, writing
from payments_gateway.serving.http.protocol import HardenedHttpProtocol
from payments_gateway.serving.problems import TOO_LARGE
from payments_gateway.serving.scope import REFUSED
from tests.support.serving import connected, serving, until

HEAD = b"GET / HTTP/1.1\r\nHost: localhost\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"


class Application:
    """An application that answers with the numbers of headers and body bytes. It reads bodies if `reads`."""

    def __init__(self, *, reads=True, size=0):
        self.reads = reads
        self.size = size
        self.scopes = []

    async def __call__(self, scope, receive, send):
        self.scopes.append(scope)
        count, more = 0, self.reads
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            count += len(message["body"])
            more = message["more_body"]
        body = b"%d headers, %d bytes" % (len(scope["headers"]), count) + b"." * self.size
        headers = [(b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


@pytest.fixture
def application():
    return Application()


@pytest.fixture
async def address(application, settings):
    """Yield the address of a server without a keep-alive limit, so that only the tested limits apply."""
    settings.SERVING_SEND_SECONDS = 600
    async with serving(application, timeout_keep_alive=600) as (_, address):
        yield address


@pytest.fixture
async def ask(address):
    """Return a function that sends pieces on a new connection and returns the answer."""

    async def send(*pieces):
        async with connected(address) as connection:
            for piece in pieces:
                connection.say(piece)
                await asyncio.sleep(0)
            answer = await connection.answer()
            if answer.status >= 400:
                assert answer.headers["connection"] == "close"
                assert await connection.is_closed()
            return answer

    return send


@pytest.mark.parametrize("size", [66_000, 200_000, 5_000_000])
async def test_headers_of_more_than_64_kilobytes_are_refused(ask, application, size):
    answer = await ask(HEAD + b"X-Large: " + b"x" * size + b"\r\n\r\n")
    assert (answer.status, answer.problem) == (431, "headers_too_large")
    assert application.scopes == []


async def test_a_header_that_never_ends_is_refused_before_its_end(ask):
    answer = await ask(HEAD + b"X-Large: " + b"x" * 100_000)
    assert answer.status == 431
    answer = await ask(HEAD + b"X-Many: " + b"x" * 15_000, *[b"x" * 10_000] * 10)
    assert answer.status == 431


async def test_headers_of_nearly_64_kilobytes_are_taken_however_they_are_cut(ask):
    large = [b"X-%d: %s\r\n" % (number, 16_200 * b"x") for number in range(4)]
    head = HEAD + b"".join(large) + b"\r\n"
    assert (await ask(head)).status == 200
    assert (await ask(*[head[begin : begin + 1_000] for begin in range(0, len(head), 1_000)])).status == 200


@pytest.mark.parametrize(("count", "names"), [(80, 80), (20, 1)], ids=["all", "of one name"])
async def test_many_headers_that_are_too_large_together_are_refused(ask, count, names):
    parts = [b"X-%d: %s\r\n" % (number % names, 1_000 * b"x") for number in range(count)]
    assert (await ask(HEAD + b"".join(parts) + b"\r\n")).status == 431


@pytest.mark.parametrize(("count", "status"), [(99, 200), (100, 431), (100_000, 431)])
async def test_a_request_has_a_hundred_headers_at_most(ask, count, status):
    assert (await ask(HEAD + b"X: y\r\n" * count + b"\r\n")).status == status


@pytest.mark.parametrize(("size", "status"), [(8_000, 200), (8_200, 414), (70_000, 414)])
async def test_an_address_has_8_kilobytes_at_most(ask, size, status):
    answer = await ask(b"GET /" + b"a" * size + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert answer.status == status
    if status == 414:
        assert answer.problem == "target_too_long"


@pytest.mark.parametrize(
    "trailers",
    [b"X: y\r\n" * 101, b"X: " + b"x" * 200_000, (b"X: " + b"x" * 1_000 + b"\r\n") * 80],
    ids=["many", "endless", "large"],
)
async def test_trailers_have_the_limits_of_headers(ask, trailers):
    answer = await ask(CHUNKED + b"3\r\nabc\r\n0\r\n" + trailers + b"\r\n")
    assert (answer.status, answer.problem) == (431, "headers_too_large")


@pytest.mark.parametrize(
    ("request_line", "status", "code"),
    [
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 200, 431, "headers_too_large"),
        (b"GET /" + b"a" * 9_000 + b" HTTP/1.1\r\n", 414, "target_too_long"),
        (b"GET / HTTP/1.1\r\nno header\r\n", 400, "malformed"),
    ],
)
async def test_a_refusal_has_the_code_and_the_id_that_programs_look_for(ask, request_line, status, code):
    answers = [await ask(request_line + b"\r\n") for _ in range(2)]
    documents = [json.loads(answer.body) for answer in answers]
    for answer, document in zip(answers, documents, strict=True):
        assert (answer.status, document["status"], document["code"]) == (status, status, code)
        assert document["request_id"] == answer.headers["request-id"]
        assert document["request_id"].startswith("req_")
    assert documents[0]["request_id"] != documents[1]["request_id"]


async def test_trailers_never_pass_for_headers(ask, application):
    answer = await ask(CHUNKED + b"3\r\nabc\r\n0\r\nX-Forwarded-For: 192.0.2.1\r\nHost: evil\r\n\r\n")
    assert answer.body == b"2 headers, 3 bytes"
    assert len(application.scopes[0]["headers"]) == 2


async def test_the_extension_of_a_chunk_is_bounded(ask):
    assert (await ask(CHUNKED + b"3;" + b"x" * 200_000)).status == 431


async def test_a_large_body_is_no_large_header(ask):
    length = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2000000\r\n\r\n"
    assert (await ask(length + b"x" * 2_000_000)).body == b"2 headers, 2000000 bytes"
    one_by_one = b"1\r\nx\r\n" * 50_000 + b"0\r\n\r\n"
    assert (await ask(CHUNKED + one_by_one)).body == b"2 headers, 50000 bytes"


async def test_headers_that_do_not_come_in_time_are_refused(ask, settings):
    settings.SERVING_HEADER_SECONDS = 0.2
    answer = await ask(HEAD)
    assert (answer.status, answer.problem) == (408, "too_slow")


@pytest.mark.parametrize("trickle", [b"x", b"\r\n"], ids=["a header", "empty lines"])
async def test_each_byte_of_a_head_does_not_buy_more_time(address, settings, trickle):
    settings.SERVING_HEADER_SECONDS = 0.5
    async with connected(address) as connection:
        connection.say(b"" if trickle == b"\r\n" else b"GET / HTTP/1.1\r\nX: ")

        async def go_on():
            while True:
                connection.say(trickle)
                await asyncio.sleep(0.02)

        going_on = asyncio.create_task(go_on())
        assert (await connection.answer()).status == 408
        going_on.cancel()


async def test_the_next_request_has_as_much_time_as_the_first(address, settings):
    settings.SERVING_HEADER_SECONDS = 0.3
    async with connected(address) as connection:
        for _ in range(2):
            connection.say(HEAD + b"\r\n")
            assert (await connection.answer()).status == 200
        connection.say(HEAD)
        assert (await connection.answer()).status == 408


@pytest.mark.parametrize("before", [b"", HEAD + b"\r\n"], ids=["never used", "used"])
async def test_an_idle_connection_ends_after_the_time_to_keep_it_alive(application, before):
    async with (
        serving(application, timeout_keep_alive=0.2) as (_, address),
        connected(address) as connection,
    ):
        connection.say(before)
        if before:
            assert (await connection.answer()).status == 200
        assert await connection.is_closed()


async def test_an_answer_before_the_end_of_the_body_ends_the_connection():
    async with (
        serving(Application(reads=False), timeout_keep_alive=600) as (_, address),
        connected(address) as connection,
    ):
        connection.say(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n12345")
        assert (await connection.answer()).status == 200
        assert await connection.is_closed()


async def test_a_client_that_does_not_read_an_answer_is_dropped(settings):
    settings.SERVING_SEND_SECONDS = 0.2
    application = Application(size=50_000_000)
    async with (
        serving(application, timeout_keep_alive=600) as (server, address),
        connected(address) as connection,
    ):
        connection.stop_reading()
        connection.say(HEAD + b"\r\n")
        await until(lambda: bool(application.scopes))
        await until(lambda: not server.server_state.connections)


async def test_a_client_that_asks_and_never_reads_is_dropped_with_the_unread_answers(settings):
    """Each answer is small, so many of them are needed to fill the buffers of both kernels."""
    settings.SERVING_SEND_SECONDS = 0.2
    application = Application(size=50_000)
    async with (
        serving(application, timeout_keep_alive=0.2) as (server, address),
        connected(address) as connection,
    ):
        connection.stop_reading()

        async def ask_on():
            while True:
                connection.say(HEAD + b"\r\n")
                await asyncio.sleep(0)

        asking = asyncio.create_task(ask_on())
        try:
            await until(lambda: bool(application.scopes))
            await until(lambda: not server.server_state.connections)
        finally:
            asking.cancel()


async def test_too_many_requests_before_the_first_answer_are_refused_behind_the_others():
    may_answer = asyncio.Event()
    answering = Application()

    async def wait(scope, receive, send):
        await may_answer.wait()
        await answering(scope, receive, send)

    async with serving(wait) as (_, address), connected(address) as connection:
        connection.say((HEAD + b"\r\n") * 1_000)
        await asyncio.sleep(0)
        may_answer.set()
        answers = [await connection.answer() for _ in range(34)]
        assert [answer.status for answer in answers] == [200] * 33 + [429]
        assert len(answering.scopes) == 33
        assert await connection.is_closed()


@pytest.mark.parametrize(
    ("setting", "status", "code"),
    [
        ("SERVING_MAX_CONNECTIONS", 503, "full"),
        ("SERVING_MAX_CONNECTIONS_PER_ADDRESS", 429, "too_many_requests"),
    ],
)
async def test_one_connection_too_many_is_refused_at_once(application, settings, setting, status, code):
    setattr(settings, setting, 2)
    options = {"timeout_keep_alive": 600, "forwarded_allow_ips": "192.0.2.1"}
    async with (
        serving(application, **options) as (server, address),
        connected(address) as first,
        connected(address) as second,
    ):
        second.say(HEAD + b"\r\n")
        assert (await second.answer()).status == 200
        async with connected(address) as third:
            answer = await third.answer()
            assert (answer.status, answer.problem, answer.headers["retry-after"]) == (status, code, "5")
            assert await third.is_closed()
        first.writer.close()
        await until(lambda: len(server.server_state.connections) == 1)
        async with connected(address) as fourth:
            fourth.say(HEAD + b"\r\n")
            assert (await fourth.answer()).status == 200


def begin_of_the_answer_to_one_too_many(address: tuple[str, int]) -> bytes:
    """Send a request after the connection was refused, as a client does that sends it at once."""
    with socket.create_connection(address) as refused:
        finish = select.poll()
        finish.register(refused, select.POLLRDHUP)
        assert finish.poll(30_000)  # milliseconds
        for piece in (HEAD, b"Content-Length: 2\r\n\r\n", b"{}"):
            refused.sendall(piece)
        return refused.recv(12)


@pytest.mark.parametrize("setting", ["SERVING_MAX_CONNECTIONS", "SERVING_MAX_CONNECTIONS_PER_ADDRESS"])
async def test_a_refused_connection_may_send_its_request_before_it_reads_why(
    application, settings, setting, monkeypatch
):
    """A connection that is closed at once is reset, so that the client does not see why. In a flood it is."""
    monkeypatch.setattr(writing, "LINGER_SECONDS", 30)  # a busy machine may need more than a second
    monkeypatch.setattr(connection_limit, "LINGER_SECONDS", 600)
    monkeypatch.setattr(connection_limit, "MOST_CLOSING", 2)
    setattr(settings, setting, 1)
    options = {"timeout_keep_alive": 600, "forwarded_allow_ips": "192.0.2.1"}
    async with serving(application, **options) as (server, address), connected(address) as first:
        first.say(HEAD + b"\r\n")
        assert (await first.answer()).status == 200
        for _ in range(2):
            begin = await asyncio.to_thread(begin_of_the_answer_to_one_too_many, address)
            assert begin in (b"HTTP/1.1 429", b"HTTP/1.1 503")
        assert len(server.server_state.connections) == len(application.scopes) == 1
        with pytest.raises(ConnectionError):
            await asyncio.to_thread(begin_of_the_answer_to_one_too_many, address)


async def test_a_trusted_proxy_is_not_taken_for_one_client(application, settings):
    settings.SERVING_MAX_CONNECTIONS_PER_ADDRESS = 1
    options = {"timeout_keep_alive": 600, "forwarded_allow_ips": "127.0.0.0/8"}
    async with (
        serving(application, **options) as (_, address),
        connected(address),
        connected(address) as second,
    ):
        second.say(HEAD + b"\r\n")
        assert (await second.answer()).status == 200


async def test_the_answer_reaches_a_client_that_is_still_sending_a_body_that_is_not_read(monkeypatch):
    """Most clients send their whole body first, and would otherwise find the connection reset."""
    monkeypatch.setattr(writing, "LINGER_SECONDS", 30)  # a busy machine may need more than a second
    async with serving(BodyLimit(Application(reads=False), max_bytes=1000, read_seconds=600)) as (_, address):

        def ask() -> int:
            client = http.client.HTTPConnection(*address)
            with contextlib.closing(client):
                client.request("POST", "/", body=b"x" * 20_000_000)
                answer = client.getresponse()
                assert answer.headers["connection"] == "close"
                assert answer.read().endswith(b" headers, 0 bytes")
                return answer.status

        assert await asyncio.to_thread(ask) == 200


async def test_what_follows_a_body_that_was_not_read_is_no_request():
    application = Application(reads=False)
    limited = BodyLimit(application, max_bytes=1000, read_seconds=600)
    async with serving(limited) as (server, address), connected(address) as connection:
        connection.say(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2000\r\n\r\n")
        assert (await connection.answer()).headers["connection"] == "close"
        connection.say(b"x" * 2000 + HEAD + b"\r\n")
        assert await connection.is_closed()
        await until(lambda: not server.server_state.connections)
    assert [scope["method"] for scope in application.scopes] == ["POST"]


async def test_a_body_without_a_declared_length_that_comes_with_its_head_is_limited_too():
    application = Application(reads=False)
    limited = BodyLimit(application, max_bytes=10, read_seconds=600)
    async with serving(limited) as (_, address), connected(address) as connection:
        connection.say(CHUNKED + b"b\r\n" + b"x" * 11 + b"\r\n0\r\n\r\n")
        assert (await connection.answer()).headers["connection"] == "close"
    assert [scope[REFUSED] for scope in application.scopes] == [TOO_LARGE]


async def test_nothing_begins_for_a_client_that_has_left_with_its_request():
    application = Application()
    limited = BodyLimit(application, max_bytes=1000, read_seconds=600)
    async with serving(limited) as (server, address), connected(address):
        await until(lambda: len(server.server_state.connections) == 1)
        [protocol] = server.server_state.connections
        assert isinstance(protocol, HardenedHttpProtocol)
        # Both at once, before the loop can begin the request.
        protocol.data_received(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\ngone")
        protocol.connection_lost(None)
        await until(lambda: not server.server_state.tasks)
    assert application.scopes == []
