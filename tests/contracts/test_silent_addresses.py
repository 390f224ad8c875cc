"""A host with several addresses is reached at any that answers, even after others that are silent."""

import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from urllib.parse import urlsplit

import pika
import pytest
import structlog
from pika.exceptions import AMQPError

from messaging.rabbitmq.broker import RabbitmqBroker
from messaging.rabbitmq.connection import addresses, supervisor
from messaging.rabbitmq.connection.addresses import connection_parameters
from messaging.rabbitmq.connection.link import Link
from tests.support.brokers import RabbitmqLab, within

pytestmark = pytest.mark.rabbitmq

HOST = "broker.example"


def name_host(monkeypatch: pytest.MonkeyPatch, *known: str) -> None:
    """Let the host's name have these addresses, in this order."""
    resolve = socket.getaddrinfo

    def answer(host: str, port: int, *hints: int, **named: int) -> list[object]:
        hosts = known if host == HOST else (host,)
        return [found for each in hosts for found in resolve(each, port, *hints, **named)]

    monkeypatch.setattr(socket, "getaddrinfo", answer)


@asynccontextmanager
async def reached(rabbitmq: RabbitmqLab, port: int) -> AsyncIterator[RabbitmqBroker]:
    """Yield a broker that has connected to the host by its name."""
    url = urlsplit(rabbitmq.url)
    login = url.netloc.rpartition("@")[0]
    broker = RabbitmqBroker(url._replace(netloc=f"{login}@{HOST}:{port}").geturl(), rabbitmq.prefix)
    broker.open()
    try:
        await within(broker.wait_connected())
        yield broker
    finally:
        await broker.close()


def port_of(rabbitmq: RabbitmqLab) -> int:
    port = urlsplit(rabbitmq.url).port
    assert port is not None
    return port


async def test_an_address_that_accepts_connections_and_says_nothing_is_passed_over(
    rabbitmq: RabbitmqLab, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(addresses, "CONNECT_TIMEOUT_SECONDS", 0.2)
    name_host(monkeypatch, "127.0.0.2", "127.0.0.1")
    with closing(socket.socket()) as silent:
        silent.bind(("127.0.0.2", port_of(rabbitmq)))
        silent.listen(1000)  # the kernel accepts connections, but no program does
        with structlog.testing.capture_logs() as lines:
            async with reached(rabbitmq, port_of(rabbitmq)) as broker:
                assert broker.metrics()["connections_lost"] == 0
    passed_over = [line for line in lines if line["event"] == "address passed over"]
    assert {(line["host"], line["address"]) for line in passed_over} == {(HOST, "127.0.0.2")}
    assert all("AMQP" in line["reason"] for line in passed_over), passed_over


async def test_more_than_can_be_tried_at_once_that_do_not_even_accept_connections_are_passed_over(
    rabbitmq: RabbitmqLab, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(addresses, "CONNECT_TIMEOUT_SECONDS", 1.0)
    monkeypatch.setattr(supervisor, "SET_UP_TIMEOUT_SECONDS", 0.9)
    silent = [f"127.0.0.{number}" for number in (2, 3, 4)]
    name_host(monkeypatch, *silent, "127.0.0.1")
    async with AsyncExitStack() as stack:
        for address in silent:
            full = stack.enter_context(closing(socket.socket()))
            full.bind((address, port_of(rabbitmq)))
            full.listen(0)
            for _ in range(2):  # these fill the queue of connections that no program accepts
                waiting = stack.enter_context(closing(socket.socket()))
                waiting.setblocking(False)
                waiting.connect_ex((address, port_of(rabbitmq)))
        broker = await stack.enter_async_context(reached(rabbitmq, port_of(rabbitmq)))
        assert broker.is_connected


async def test_the_others_are_not_asked_after_one_has_refused_the_log_in(
    rabbitmq: RabbitmqLab, monkeypatch: pytest.MonkeyPatch
):
    name_host(monkeypatch, "127.0.0.1", "127.0.0.2")
    with closing(socket.socket()) as other:
        other.bind(("127.0.0.2", port_of(rabbitmq)))
        other.listen(1000)
        other.setblocking(False)
        (parameters,) = connection_parameters(f"amqp://nobody:wrong@{HOST}:{port_of(rabbitmq)}/", "a test")
        with pytest.raises(AMQPError, match="ACCESS_REFUSED"):
            await within(Link.open(parameters))
        with pytest.raises(BlockingIOError):
            other.accept()


async def test_only_the_last_one_is_waited_for_as_long_as_a_single_one(monkeypatch: pytest.MonkeyPatch):
    tried = []

    async def refuse(parameters: pika.ConnectionParameters) -> Link:
        tried.append((parameters.host, parameters.socket_timeout))
        raise OSError("silent")

    monkeypatch.setattr(Link, "_open", refuse)
    name_host(monkeypatch, "127.0.0.1", "127.0.0.2")
    (parameters,) = connection_parameters(f"amqp://nobody:wrong@{HOST}/", "a test")
    with pytest.raises(OSError, match="silent"):
        await Link.open(parameters, turn=1)
    patience = addresses.CONNECT_TIMEOUT_SECONDS
    assert tried == [("127.0.0.2", patience / 2), ("127.0.0.1", patience)]
