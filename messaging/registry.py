"""The running loop's broker, created from the settings when it is first used."""

import asyncio
import threading
from collections.abc import Callable, Iterable, Iterator

from messaging.broker import Broker
from messaging.conf import conf
from messaging.inspection import BrokerFacts
from messaging.inspection.differences import Difference
from messaging.topology import Queue, Topology

_brokers: dict[tuple[asyncio.AbstractEventLoop, str, str], Broker] = {}
_lock = threading.Lock()


def get_broker(url: str | None = None, prefix: str | None = None) -> Broker:
    """Return the running loop's broker, opened. The address and prefix default to the settings.

    Only the implementation that the address names is imported, so that the try-out mode works without pika.
    """
    loop = asyncio.get_running_loop()
    key = (loop, url or conf.broker_url, prefix or conf.prefix)
    broker = _brokers.get(key)
    if broker is None:
        broker = make_broker(key[1], key[2])
        with _lock:
            for stale in [known for known in _brokers if known[0].is_closed()]:
                del _brokers[stale]
            _brokers[key] = broker
    broker.open()
    return broker


def make_broker(url: str, prefix: str) -> Broker:
    """Return a broker, not opened, of the implementation that the address names."""
    if url.startswith("memory:"):
        from messaging.memory.broker import MemoryBroker

        return MemoryBroker(url, prefix)
    from messaging.rabbitmq.broker import RabbitmqBroker

    return RabbitmqBroker(url, prefix, zone=conf.broker_zone, quorum_group_size=conf.quorum_group_size)


def is_connected() -> bool | None:
    """Return True if a broker of this process is connected, None if this process has no broker."""
    brokers = [broker for (loop, *_), broker in list(_brokers.items()) if not loop.is_closed()]
    return any(broker.is_connected for broker in brokers) if brokers else None


def inspect_broker(queues: Iterable[Queue]) -> BrokerFacts:
    """Return which of the exchanges and of these queues exist. Blocks, on a connection of its own."""
    url, topology = conf.broker_url, Topology(conf.prefix)
    if url.startswith("memory:"):
        from messaging.memory.inspection import inspect
    else:
        from messaging.rabbitmq.inspection import inspect
    return inspect(url, topology, queues)


def mend_broker(found: Iterable[Difference], use: Callable[[str], str]) -> Iterator[tuple[Difference, str]]:
    """Mend differences on RabbitMQ. Yield each with the reason why it remains, empty if mended. Blocks.

    ``use`` returns why a queue may not be deleted, according to the broker's administration; empty if it may.
    Raises BrokerUnavailable.
    """
    from messaging.rabbitmq.repair import mend

    return mend(conf.broker_url, conf.prefix, found, use)


async def close_brokers() -> None:
    """Close every broker of the running loop: the last step of a graceful shutdown."""
    loop = asyncio.get_running_loop()
    for key in [known for known in _brokers if known[0] is loop]:
        await _brokers.pop(key).close()
