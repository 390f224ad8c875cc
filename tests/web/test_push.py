"""Status pushes over a WebSocket, through the whole application."""

import asyncio

import pytest
from channels.layers import get_channel_layer

from checkout.payments import actions
from checkout.payments.models import Payment
from checkout.web.consumers import StatusConsumer
from messaging.channels import layer as channel_layer
from messaging.concurrency.database import in_thread
from messaging.memory.server import MemoryServer
from messaging.registry import get_broker
from payments_gateway.serving.process.graceful_shutdown import drain
from tests.support.sockets import Socket

ORIGIN = "http://localhost:8000"


@pytest.fixture
def socket_of(payment):
    """Return a WebSocket for the payment's page, as a browser on our own page opens it."""

    def make(*, reference=None, token=None, origin=ORIGIN, path=None, **options):
        token = actions.status_token(payment.reference) if token is None else token
        path = path or f"/ws/checkout/{reference or payment.reference}/?token={token}"
        return Socket(path, origin=origin, **options)

    return make


async def push(reference, state):
    event = {"type": "payment.changed", "reference": reference, "state": state}
    await get_channel_layer().group_send(f"payment.{reference}", event)


async def test_the_present_state_comes_at_once_and_every_change_after(shop, payment, socket_of):
    socket = socket_of()
    assert await socket.connect()
    assert await socket.told() == {"state": "open", "next": f"/checkout/{payment.reference}/"}
    await push(payment.reference, "processing")
    assert await socket.told() == {"state": "processing", "next": None}
    await push("pay_other", "refused")
    await push(payment.reference, "captured")
    assert await socket.told() == {"state": "captured", "next": f"/checkout/{payment.reference}/result/"}
    await socket.disconnect()


async def test_the_saga_is_told_that_a_page_is_open(shop, payment, socket_of):
    socket = socket_of()
    assert not payment.is_watched
    assert await socket.connect()
    assert (await in_thread(Payment.objects.get)).is_watched
    await socket.disconnect()


@pytest.mark.parametrize("event", [{"state": "of a later release"}, {"state": []}, {}], ids=str)
async def test_a_push_that_nobody_understands_ends_no_connection(shop, payment, socket_of, event):
    socket = socket_of()
    assert await socket.connect()
    await socket.told()
    group = f"payment.{payment.reference}"
    await get_channel_layer().group_send(group, {"type": "payment.changed"} | event)
    await push(payment.reference, "captured")
    assert (await socket.told())["state"] == "captured"
    await socket.disconnect()


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        None,
        "null",
        "",
        "https://localhost:8000",
        "http://localhost",
        "http://localhost:8001",
        "http://127.0.0.1:8000",
        "ws://localhost:8000",
        "http://localhost:8000:8000",
        "http://localhost:port",
        "http://[localhost:8000",
        "localhost:8000",
    ],
)
async def test_a_page_of_another_origin_gets_nothing(shop, socket_of, origin):
    assert not await socket_of(origin=origin).connect()


@pytest.mark.parametrize(
    ("host", "scheme", "origin"),
    [
        ("localhost", "ws", "http://localhost"),
        ("localhost:80", "ws", "http://localhost"),
        ("localhost", "wss", "https://localhost:443"),
        ("LOCALHOST", "wss", "https://localhost"),
        ("127.0.0.1:8000", "ws", "http://127.0.0.1:8000"),
        # A proxy in front terminates TLS without reporting it.
        ("localhost", "ws", "https://shop.example"),
    ],
)
async def test_our_own_page_is_let_in_at_each_of_our_names(shop, socket_of, settings, host, scheme, origin):
    settings.PUBLIC_URL = "https://shop.example"
    socket = socket_of(host=host, scheme=scheme, origin=origin)
    assert await socket.connect()
    await socket.disconnect()


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "", "localhost@evil.example", "a" * 300]
)
async def test_a_handshake_at_a_host_that_is_not_ours_is_refused(shop, socket_of, host):
    assert not await socket_of(host=host, origin=f"http://{host}").connect()
    assert not await socket_of(host=host).connect()


@pytest.mark.parametrize("token", ["", "x", "pay_0:1:x"])
async def test_without_its_token_a_payment_is_not_told_about(shop, socket_of, token):
    assert not await socket_of(token=token).connect()


async def test_a_token_is_good_for_its_own_payment_only(shop, payment, socket_of):
    other = await in_thread(
        lambda: Payment.objects.create(
            merchant=payment.merchant, order_reference="o", amount_minor=1, currency="EUR"
        )
    )
    assert not await socket_of(reference=other.reference).connect()


async def test_an_address_that_is_not_ours_is_refused(shop, socket_of):
    assert not await socket_of(path="/ws/nothing/").connect()


async def test_what_a_page_says_is_ignored_and_too_much_of_it_ends_the_connection(shop, payment, socket_of):
    socket = socket_of()
    await socket.connect()
    await socket.told()
    await socket.say("anything")
    await push(payment.reference, "processing")
    assert await socket.told() == {"state": "processing", "next": None}
    await socket.say("x" * 4097)
    assert (await socket.next())["code"] == 1009
    await socket.disconnect()


async def test_size_is_counted_in_bytes(shop, payment, socket_of):
    socket = socket_of()
    await socket.connect()
    await socket.told()
    await socket.say("é" * 2049)
    assert (await socket.next())["code"] == 1009
    await socket.disconnect()


@pytest.mark.parametrize("is_closed_by", ["what the page says", "the end of the process"])
async def test_a_push_that_comes_as_the_connection_is_closed_is_not_sent(
    shop, payment, socket_of, is_closed_by
):
    """A server treats any message after the close as an error, and writes a traceback into its log."""
    socket = socket_of()
    await socket.connect()
    await socket.told()
    if is_closed_by == "what the page says":
        await socket.say("x" * 4097)
    else:
        drain.begin()
    try:
        await push(payment.reference, "captured")
    finally:
        drain.reset()
    assert (await socket.next())["type"] == "websocket.close"
    assert await socket.is_silent()
    await socket.disconnect()


async def test_an_open_websocket_asks_the_database_nothing(shop, payment, socket_of, monkeypatch):
    socket = socket_of()
    await socket.connect()
    await socket.told()

    def not_now(*_arguments, **_options):
        raise AssertionError("the database was asked")

    with monkeypatch.context() as without_database:
        without_database.setattr("django.db.backends.utils.CursorWrapper.execute", not_now)
        await push(payment.reference, "processing")
        assert await socket.told() == {"state": "processing", "next": None}
        await socket.say("anything")
        await socket.disconnect()


async def test_a_socket_is_refused_while_this_process_cannot_be_told_of_changes(shop, socket_of, monkeypatch):
    monkeypatch.setattr(channel_layer, "TIMEOUT_SECONDS", 0.05)
    server = MemoryServer.at("memory://")
    server.stop()
    try:
        assert not await socket_of().connect()
        assert not await socket_of(path="/ws/nothing/").connect()
    finally:
        server.resume()
    assert await socket_of().connect()


async def test_a_socket_that_breaks_while_it_is_told_something_leaves_nothing_behind(payment, shop):
    messages = [{"type": "websocket.connect"}]
    is_broken = asyncio.Event()

    async def receive():
        if messages:
            return messages.pop()
        await is_broken.wait()
        return {"type": "websocket.disconnect", "code": 1006}

    async def send(message):
        if "captured" in message.get("text", ""):
            raise OSError  # servers do this once the connection is gone
        if message["type"] == "websocket.send":
            asyncio.get_running_loop().create_task(push(payment.reference, "captured"))

    scope = {
        "type": "websocket",
        "url_route": {"kwargs": {"reference": payment.reference}},
        "query_string": f"token={actions.status_token(payment.reference)}".encode(),
    }
    before = dict(drain._waiting)
    with pytest.raises(OSError):
        await StatusConsumer.as_asgi()(scope, receive, send)
    assert drain._waiting == before
    assert not get_broker("memory://").reply_queue.channels.members.of(f"payment.{payment.reference}")
