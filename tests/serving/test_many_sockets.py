"""A thousand WebSockets from one address cost no more than two hundred, and do not affect others."""

import asyncio

import pytest
from django.db.backends.utils import CursorWrapper

from checkout.conf import conf
from messaging.registry import close_brokers, get_broker
from payments_gateway.asgi import application
from payments_gateway.serving.clients import ClientCounter
from tests.web.test_push import socket_of

__all__ = ["socket_of"]

HANDSHAKES = 1_000


@pytest.fixture(autouse=True)
def _nobody_is_inside_yet(monkeypatch):
    monkeypatch.setattr(application, "sockets", ClientCounter("sockets"))


@pytest.fixture
def statements(monkeypatch):
    """Return the list of the statements that any thread has sent to the database."""
    sent: list[str] = []
    execute = CursorWrapper.execute

    def counted(cursor, sql, *arguments):
        sent.append(sql)
        return execute(cursor, sql, *arguments)

    monkeypatch.setattr(CursorWrapper, "execute", counted)
    return sent


async def test_the_first_two_hundred_of_a_thousand_sockets_from_one_address_are_let_in(
    shop, payment, socket_of, statements
):
    get_broker().open()
    statements.clear()
    sockets = [socket_of() for _ in range(HANDSHAKES)]
    let_in = await asyncio.gather(*(socket.connect() for socket in sockets))
    assert sum(let_in) == conf.max_sockets_per_address == 200
    assert {socket.refused_with for socket in sockets if socket.refused_with} == {(429, "5")}
    about = [sql.partition(" ")[0] for sql in statements if "payments_payment" in sql]
    each = "a mark and a look at the payment for each that is let in, and nothing for the others"
    assert (about.count("UPDATE"), about.count("SELECT")) == (200, 200), each
    elsewhere = socket_of(address="198.51.100.1")
    assert await elsewhere.connect(), "another address has room"
    await asyncio.gather(*(each.disconnect() for each, is_in in zip(sockets, let_in, strict=True) if is_in))
    assert application.sockets.by_client == {"198.51.100.1": 1}
    await elsewhere.disconnect()
    await close_brokers()


async def test_without_a_payment_s_token_they_cost_no_statement(shop, payment, socket_of, statements):
    get_broker().open()
    statements.clear()
    sockets = [socket_of(token="guessed") for _ in range(HANDSHAKES)]
    assert not any(await asyncio.gather(*(socket.connect() for socket in sockets)))
    assert statements == []
    await close_brokers()
