"""The broker under test: in memory always, and RabbitMQ where there is one."""

from collections.abc import AsyncIterator, Iterator

import pytest

from messaging.channels.layer import RabbitmqChannelLayer
from messaging.rabbitmq import direct_connection as direct
from messaging.registry import close_brokers
from tests.support.brokers import Lab, MemoryLab, RabbitmqLab
from tests.support.proxy import Proxy
from tests.support.vhosts import fresh_vhost


@pytest.fixture(scope="session")
def vhost() -> Iterator[str]:
    """A virtual host for all contract tests, which keep apart by prefix."""
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
    """Each of the brokers; the settings point to it."""
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
    """A pika whose insides are not the known ones."""
    monkeypatch.setattr(direct, "is_possible", lambda: False)


@pytest.fixture
def layer(lab: Lab) -> RabbitmqChannelLayer:
    """A channel layer on that broker, with room for three messages in a channel."""
    return RabbitmqChannelLayer(lab.url, lab.prefix, capacity=3)


@pytest.fixture(params=["directly", "by pika's public interface"])
async def rabbitmq(request: pytest.FixtureRequest, vhost: str) -> AsyncIterator[RabbitmqLab]:
    """RabbitMQ, for what only it does."""
    if request.param != "directly":
        request.getfixturevalue("changed_pika")
    lab = await _rabbitmq_lab(vhost)
    yield lab
    await lab.close()


async def _rabbitmq_lab(url: str) -> RabbitmqLab:
    proxy = Proxy(url)
    await proxy.accept()
    return RabbitmqLab(proxy)
