"""Refused WebSockets: another payment's token, another site, or an unknown payment."""

import pytest

from checkout.payments.actions import status_token
from tests.flows.stack.wire import read

pytestmark = [pytest.mark.rabbitmq, pytest.mark.postgresql]

UNKNOWN = "pay_" + 32 * "0"
HANDSHAKE = [
    ("Connection", "Upgrade"),
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
]


# An accepted page marks its payment as watched.
MARKED = ("payments_payment",)


def upgraded(quiet, path, origin, but_for=()):
    """Return the status of the answer to a handshake."""
    with quiet.unchanged(but_for=but_for) as wire, wire.opened() as connection:
        origins = [("Origin", origin)] if origin else []
        connection.sendall(wire.head("GET", path, [*HANDSHAKE, *origins]))
        return read(connection, "GET").status


def test_the_payments_own_page_is_let_in(quiet):
    path = f"/ws/checkout/{quiet.challenged}/?token={status_token(quiet.challenged)}"
    assert upgraded(quiet, path, quiet.stack.web_url, but_for=MARKED) == 101


def test_no_memory_is_set_aside_for_compressing_what_is_hardly_ever_said(quiet):
    path = f"/ws/checkout/{quiet.challenged}/?token={status_token(quiet.challenged)}"
    offered = [("Origin", quiet.stack.web_url), ("Sec-WebSocket-Extensions", "permessage-deflate")]
    with quiet.unchanged(but_for=MARKED) as wire, wire.opened() as connection:
        connection.sendall(wire.head("GET", path, [*HANDSHAKE, *offered]))
        answer = read(connection, "GET")
    assert answer.status == 101
    assert "sec-websocket-extensions" not in answer.headers


@pytest.mark.parametrize(
    "token", ["", "wrong", "%00", "%FF", 5000 * "x"], ids=["none", "wrong", "NUL", "no UTF-8", "long"]
)
def test_a_wrong_token(quiet, token):
    path = f"/ws/checkout/{quiet.challenged}/?token={token}"
    assert upgraded(quiet, path, quiet.stack.web_url) == 403


def test_the_token_of_another_payment(quiet):
    path = f"/ws/checkout/{quiet.challenged}/?token={status_token(quiet.unpaid)}"
    assert upgraded(quiet, path, quiet.stack.web_url) == 403


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "null",
        "",
        "http://localhost.evil.example",
        "http://localhost:1",
        "http://localhost",
    ],
)
def test_another_sites_page(quiet, origin):
    path = f"/ws/checkout/{quiet.challenged}/?token={status_token(quiet.challenged)}"
    assert upgraded(quiet, path, origin) == 403


@pytest.mark.parametrize(
    "path",
    [
        f"/ws/checkout/{UNKNOWN}/?token={status_token(UNKNOWN)}",
        "/ws/checkout/pay_%00/",
        "/ws/",
        "/checkout/x/",
    ],
)
def test_an_address_without_a_payment(quiet, path):
    assert upgraded(quiet, path, quiet.stack.web_url) == 403
