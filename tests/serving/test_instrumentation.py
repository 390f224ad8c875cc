"""The signals about requests on the event loop."""

import asyncio
from contextlib import contextmanager

import pytest
from django.http import HttpResponse
from django.urls import path

from checkout.web.views import health
from payments_gateway.serving import views
from payments_gateway.serving.instrumentation import held_request_finished, held_request_started
from tests.support.asgi import AsgiClient

is_waiting = asyncio.Event()


@views.held
async def waiting(request):
    is_waiting.set()
    await asyncio.Event().wait()


@views.held
async def broken(request):
    raise ArithmeticError("broken")


urlpatterns = [
    path("livez", health.live),
    path("waiting/", waiting),
    path("broken/", broken),
    path("page/", lambda request: HttpResponse()),
]


@pytest.fixture
def client(settings, transactional_db):
    settings.ROOT_URLCONF = __name__
    return AsgiClient()


@contextmanager
def connected(signal, receiver, **options):
    signal.connect(receiver, weak=False, **options)
    try:
        yield
    finally:
        signal.disconnect(receiver, **options)


@pytest.fixture
def told():
    """Return the contents of the signals, in the order in which they are sent."""
    events = []
    started = lambda **details: events.append(("started", details))  # noqa: E731  one that is kept alive
    finished = lambda **details: events.append(("finished", details))  # noqa: E731
    with connected(held_request_started, started), connected(held_request_finished, finished):
        yield events


async def test_an_answered_request_is_told_with_its_response_and_its_time(client, told):
    assert (await client.get("/livez")).status == 200
    (first, started), (second, finished) = told
    assert (first, second) == ("started", "finished")
    assert started["request"] is finished["request"]
    assert started["sender"] is health.live
    assert started["request"].resolver_match.route == "livez"
    assert (finished["response"].status_code, finished["error"]) == (200, None)
    assert finished["seconds"] >= 0


async def test_a_client_that_leaves_is_told_as_an_error_without_a_response(client, told):
    is_waiting.clear()
    with client.started("GET", "/waiting/") as exchange:
        await is_waiting.wait()
        assert [name for name, _ in told] == ["started"]
        await exchange.send_input({"type": "http.disconnect"})
        await exchange.wait(20)
    _, finished = told[-1]
    assert finished["response"] is None
    assert isinstance(finished["error"], asyncio.CancelledError)


async def test_a_view_that_fails_is_told_with_the_page_that_was_sent(client, told):
    client_status = (await client.get("/broken/")).status
    _, finished = told[-1]
    assert (client_status, finished["response"].status_code, finished["error"]) == (500, 500, None)


async def test_only_requests_on_the_event_loop_are_told(client, told):
    assert (await client.get("/page/")).status == 200
    assert told == []


async def test_a_receiver_that_fails_changes_nothing(client, caplog):
    def fail(**_details):
        raise ArithmeticError("the receiver is broken")

    with connected(held_request_started, fail), connected(held_request_finished, fail):
        assert (await client.get("/livez")).status == 200
    assert len([record for record in caplog.records if record.name == "django.dispatch"]) == 2


async def test_a_receiver_can_listen_to_one_view(client):
    seen = []
    receiver = lambda **details: seen.append(details["request"].path)  # noqa: E731
    with connected(held_request_started, receiver, sender=broken):
        await client.get("/livez")
        await client.get("/broken/")
    assert seen == ["/broken/"]


def test_a_receiver_cannot_be_waited_for():
    async def receiver(**_details):
        raise AssertionError("never called")

    with pytest.raises(TypeError):
        held_request_started.connect(receiver)


def test_a_view_that_would_block_the_event_loop_cannot_be_marked():
    with pytest.raises(TypeError):
        views.held(lambda request: HttpResponse())  # type: ignore[type-var]
