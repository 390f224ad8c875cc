"""The brokers under test: the in-memory broker always, and RabbitMQ if it is available."""

from collections.abc import AsyncIterator, Iterator

import pytest

from messaging.channels.layer import RabbitmqChannelLayer
from messaging.rabbitmq import direct_connection
from messaging.registry import close_brokers
from tests.support.brokers import Lab, MemoryLab, RabbitmqLab
from tests.support.proxy import Proxy
from tests.support.vhosts import fresh_vhost


@pytest.fixture(scope="session")
def vhost() -> Iterator[str]:
    """Yield a virtual host for all contract tests, which use different prefixes."""
    with fresh_vhost() as url:
        yield url


@pytest.fixture(
    params=[
        "memory",
        pytest.param("rabbitmq", marks=pytest.mark.rabbitmq),
        pytest.param("rabbitmq by pika's public interface", marks=pytest.mark.rabbitmq),
    ]
)
async def lab(request: pytest.FixtureRequest, settings) -> AsyncIterator[Lab]:
    """Yield each of the brokers in turn, with the settings pointing to it."""
    if "public interface" in request.param:
        request.getfixturevalue("changed_pika")
    if request.param == "memory":
        lab: Lab = MemoryLab()
    else:
        lab = await _rabbitmq_lab(request.getfixturevalue("vhost"))
    settings.BROKER_URL, settings.MESSAGING_PREFIX = lab.url, lab.prefix
    yield lab
    await close_brokers()
    await lab.close()


@pytest.fixture
def changed_pika(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pretend that pika lacks the internals that the direct connection needs."""
    monkeypatch.setattr(direct_connection, "is_possible", lambda: False)


@pytest.fixture
def layer(lab: Lab) -> RabbitmqChannelLayer:
    """Return a channel layer on this broker, with a capacity of three messages per channel."""
    return RabbitmqChannelLayer(lab.url, lab.prefix, capacity=3)


@pytest.fixture(params=["directly", "by pika's public interface"])
async def rabbitmq(request: pytest.FixtureRequest, vhost: str) -> AsyncIterator[RabbitmqLab]:
    """Yield a lab on RabbitMQ, for tests of behaviour that the in-memory broker does not have."""
    if request.param != "directly":
        request.getfixturevalue("changed_pika")
    lab = await _rabbitmq_lab(vhost)
    yield lab
    await lab.close()


async def _rabbitmq_lab(url: str) -> RabbitmqLab:
    proxy = Proxy(url)
    await proxy.accept()
    return RabbitmqLab(proxy)
