"""With a release of uvicorn whose internals are unknown, requests use its public interface."""

import pytest

from payments_gateway.serving.http import lean
from payments_gateway.serving.scope import ANSWER
from tests.serving.test_protocol import REQUEST
from tests.serving.test_whole_answers import asked, closing, in_two
from tests.support.libraries import installed
from tests.support.serving import connected, serving


@pytest.fixture(params=["0.54.3", "0.55.0"])
def uvicorn_version(request):
    with installed("uvicorn", request.param):
        lean.is_known_uvicorn.cache_clear()
        yield request.param
    lean.is_known_uvicorn.cache_clear()


async def test_a_whole_answer_is_offered_by_the_known_release_only(uvicorn_version):
    offered = []

    async def application(scope, receive, send):
        offered.append(ANSWER in scope)
        await in_two(scope, send)

    assert (await asked(application, closing(REQUEST))).endswith(b"hello")
    assert offered == [uvicorn_version == "0.54.3"]


async def test_requests_sent_without_waiting_are_answered_in_order(uvicorn_version):
    async def echo(scope, receive, send):
        body = (await receive())["body"]
        headers = [(b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def post(body):
        return b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)

    async with serving(echo) as (_, address), connected(address) as connection:
        connection.say(post(b"one") + post(b"two"))
        connection.say(post(b"three"))
        answers = [(await connection.answer()).body for _ in range(3)]
    assert answers == [b"one", b"two", b"three"]
