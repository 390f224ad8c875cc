"""Limits on the requests and WebSockets that are held at once. Refusals do not affect those that are held."""

import json
from contextlib import ExitStack

import pytest

from payments_gateway.asgi import application
from payments_gateway.serving.clients import ClientCounter, client_of
from payments_gateway.serving.problems import FULL, TOO_MANY
from tests.serving.test_async_handler import nobody_answers, until_waiting
from tests.support.asgi import AsgiClient, receive
from tests.web.test_push import socket_of

__all__ = ["nobody_answers", "socket_of"]

BOUNDS = [("SERVING_MAX_HELD", 503, "full"), ("SERVING_MAX_HELD_PER_ADDRESS", 429, "too_many_requests")]


@pytest.fixture(autouse=True)
def _nobody_is_inside_yet(monkeypatch):
    monkeypatch.setattr(application, "requests", ClientCounter("held_requests"))
    monkeypatch.setattr(application, "sockets", ClientCounter("sockets"))


@pytest.fixture
def paying(nobody_answers, checkout):
    """Return a function that starts requests, which are held until its exit stack is closed."""

    async def start(held, count=2):
        form = await checkout.filled_form("approve")
        exchanges = [
            held.enter_context(checkout.client.started("POST", checkout.path("pay/"), data=form))
            for _ in range(count)
        ]
        await until_waiting(count)
        return exchanges

    return start


@pytest.mark.parametrize(("setting", "status", "code"), BOUNDS)
async def test_one_too_many_is_told_so_in_its_own_language(paying, checkout, settings, setting, status, code):
    with ExitStack() as held:
        await paying(held)
        setattr(settings, setting, 2)
        page = await checkout.get("status/")
        assert (page.status, page.headers["retry-after"]) == (status, "5")
        assert "<h1>Too " in page.text
        assert f'href="{checkout.path()}"' in page.text
        document = await checkout.get("status/", headers={"accept": "application/json"})
        assert document.status == status
        assert document.headers["content-type"] == "application/problem+json"
        assert json.loads(document.text)["type"].endswith(f"/{code}")


async def test_other_addresses_and_pages_that_are_not_held_go_on(paying, checkout, settings):
    with ExitStack() as held:
        await paying(held)
        settings.SERVING_MAX_HELD_PER_ADDRESS = 2
        elsewhere = AsgiClient(address="192.0.2.8")
        assert (await elsewhere.get(checkout.path("status/"))).status == 200
        settings.SERVING_MAX_HELD = 2
        assert (await checkout.client.get("/admin/login/")).status == 200
        assert (await checkout.client.get("/livez")).status == 200


async def test_the_body_of_a_request_that_is_not_let_in_is_not_waited_for(checkout, settings):
    settings.SERVING_MAX_HELD = 0
    with checkout.client.started("POST", checkout.path("pay/"), data=b"x", whole=False) as exchange:
        answer = await receive(exchange)
    assert (answer.status, answer.headers["connection"]) == (503, "close")


async def test_a_client_that_leaves_makes_room_and_is_forgotten(paying, checkout, settings):
    with ExitStack() as held:
        exchanges = await paying(held)
        settings.SERVING_MAX_HELD = 2
        assert (await checkout.get("status/")).status == 503
        for exchange in exchanges:
            await exchange.send_input({"type": "http.disconnect"})
            await exchange.wait(20)
        assert (await checkout.get("status/")).status == 200
    assert (application.requests.total, application.requests.by_client) == (0, {})


def test_a_client_is_counted_until_it_has_left_as_often_as_it_came():
    crowd = ClientCounter("held_requests")
    assert [crowd.enter("a", most=3, most_of_client=2) for _ in range(3)] == [None, None, TOO_MANY]
    assert crowd.enter("b", most=3, most_of_client=2) is None
    assert crowd.enter("b", most=3, most_of_client=2) is FULL
    crowd.leave("a")
    assert crowd.enter("a", most=3, most_of_client=2) is None
    for client in ("a", "a", "b"):
        crowd.leave(client)
    assert (crowd.total, crowd.by_client) == (0, {})


def test_clients_without_an_address_are_bounded_together_only():
    crowd = ClientCounter("held_requests")
    assert [crowd.enter("", most=2, most_of_client=1) for _ in range(3)] == [None, None, FULL]


@pytest.mark.parametrize(
    ("one", "other", "is_the_same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("fe80::1%eth0", "fe80::2%eth0", True),
        ("no:address", "no:other", False),
    ],
)
def test_an_ipv6_client_is_its_network(one, other, is_the_same):
    assert (client_of({"client": (one, 1)}) == client_of({"client": (other, 2)})) is is_the_same


@pytest.mark.parametrize(
    ("setting", "status"), [("SERVING_MAX_SOCKETS", 503), ("SERVING_MAX_SOCKETS_PER_ADDRESS", 429)]
)
async def test_one_websocket_too_many_is_refused_unopened(shop, socket_of, settings, setting, status):
    first, second = socket_of(), socket_of()
    assert await first.connect()
    setattr(settings, setting, 1)
    assert not await second.connect()
    assert second.refused_with == (status, "5")
    await first.disconnect()
    third = socket_of()
    assert await third.connect()
    await third.disconnect()
    assert (application.sockets.total, application.sockets.by_client) == (0, {})


async def test_a_server_that_knows_no_denial_response_answers_403(socket_of, shop, settings):
    settings.SERVING_MAX_SOCKETS = 0
    assert not await socket_of(extensions={}).connect()


async def test_a_refused_handshake_leaves_nothing_counted(shop, socket_of):
    socket = socket_of(token="wrong")
    assert not await socket.connect()
    await socket.disconnect()
    assert (application.sockets.total, application.sockets.by_client) == (0, {})
