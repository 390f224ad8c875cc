"""The contract that every broker implementation keeps; ``tests/contracts/`` holds it to it.

A broker belongs to one event loop and may only be used on it. There is one per loop, address and prefix.
"""

import asyncio
import threading
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec

from checkout.conf import conf
from checkout.errors import BrokerUnavailable, MessagingError, PublishUncertain
from checkout.messaging import loops
from checkout.messaging.envelope import Envelope
from checkout.messaging.node import Node
from checkout.messaging.topology import Queue, Topology

OnEnd = Callable[[MessagingError | None], None]


def user_of(url: str) -> str:
    """Return the user name in a broker's address."""
    return unquote(urlsplit(url).username or "guest")


@dataclass(frozen=True, slots=True)
class Death:
    """The queue whose message the broker gave up on, and its word for why: ``delivery_limit``, say."""

    queue: str
    reason: str


class Delivery(msgspec.Struct, kw_only=True):
    """A message that has arrived. ``envelope`` is None when it breaks the contract; ``defect`` says how.

    ``remains`` is then what can be read of its properties and headers, with a digest in place of the body.
    ``delivery_count`` is the number of earlier deliveries. A message with a ``death`` was dead-lettered by
    the broker. Acknowledging twice, or after the connection was lost, does nothing: the broker delivers an
    unacknowledged message again.
    """

    envelope: Envelope | None
    exchange: str
    routing_key: str
    queue: str = ""
    raw: bytes = b""
    defect: str = ""
    remains: Envelope | None = None
    delivery_count: int = 0
    redelivered: bool = False
    death: Death | None = None
    settle: Callable[[bool, bool], None] | None = None

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        # Not the raw message, which may hold secrets.
        shown = ("envelope", "queue", "routing_key", "delivery_count", "defect")
        return [(name, getattr(self, name)) for name in shown]

    def __repr__(self) -> str:
        return f"Delivery({', '.join(f'{name}={value!r}' for name, value in self.__rich_repr__())})"

    def ack(self) -> None:
        """The message is dealt with."""
        self._settle(True, False)

    def reject(self, *, requeue: bool) -> None:
        """This attempt failed. Counts toward the delivery limit; without ``requeue``: a dead letter."""
        self._settle(False, requeue)

    def _settle(self, is_done: bool, requeue: bool) -> None:
        settle, self.settle = self.settle, None
        if settle is not None:
            settle(is_done, requeue)


OnDelivery = Callable[[Delivery], None]


@dataclass(slots=True)
class Consumption:
    """A queue being read. ``cancel`` stops new deliveries; those made may still be acknowledged."""

    cancel: Callable[[], Awaitable[None]]
    release: Callable[[], Awaitable[None]]
    """Ends the reading altogether: what was delivered and not acknowledged goes back to the queue."""


class Broker(ABC):
    """Publishing, consuming and binding on the running event loop. Callbacks must not raise."""

    topology: Topology
    node: Node

    async def start(self) -> None:
        """Begin connecting, and let synchronous callers in other threads use this loop.

        Returns at once, also when the broker is absent: the connection is tried again for ever.
        """
        self.open()
        loops.serve_on(asyncio.get_running_loop())

    @abstractmethod
    def open(self) -> None:
        """Begin connecting; does nothing when that has been done."""

    @abstractmethod
    async def close(self) -> None:
        """Wait for outstanding confirms (a second at most), then disconnect. Waiters end."""

    @property
    @abstractmethod
    def is_connected(self) -> bool:
        """Return True if messages can be published and are being received."""

    @abstractmethod
    async def wait_connected(self) -> None:
        """Return as soon as the broker is connected."""

    @property
    @abstractmethod
    def is_reachable(self) -> bool:
        """Return True if this process's queue exists on the broker, so that other processes can send to it.

        That includes a time after the connection was lost: what is sent then arrives with the next one.
        """

    async def wait_reachable(self, *, timeout_seconds: float) -> None:
        """Return when other processes can send to this one. Raises BrokerUnavailable."""
        if self.is_reachable:
            return
        try:
            async with asyncio.timeout(timeout_seconds):
                await self.wait_connected()
        except TimeoutError:
            text = f"not connected within {timeout_seconds} s: no process can send to this one"
            raise BrokerUnavailable(text) from None

    @abstractmethod
    async def first_attempt(self) -> None:
        """Return when the first attempt to connect has ended, either way; later, return at once."""

    @abstractmethod
    def post(self, exchange: str, routing_key: str, envelope: Envelope, on_end: OnEnd) -> None:
        """Publish without waiting. ``on_end`` is called once: None when confirmed, else what happened.

        Raises BrokerUnavailable or PublishRefused when it certainly is not going to be published. ``on_end``
        receives PublishRefused (nack), Undeliverable (returned) or PublishUncertain (the channel or the
        connection ended first).
        """

    async def publish(
        self, exchange: str, routing_key: str, envelope: Envelope, *, timeout_seconds: float
    ) -> None:
        """Publish, mandatory and confirmed.

        Raises BrokerUnavailable (not published), PublishRefused (not published: queue full, or too much
        unconfirmed), Undeliverable (no queue took it), PublishUncertain (connection or channel lost, or no
        confirm in time: perhaps published).
        """
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[None] = loop.create_future()

        def on_end(error: MessagingError | None) -> None:
            if ended.done():
                return
            if error is None:
                ended.set_result(None)
            else:
                ended.set_exception(error)

        posted = False
        try:
            async with asyncio.timeout(timeout_seconds):
                await self.first_attempt()
                self.post(exchange, routing_key, envelope, on_end)
                posted = True
                await ended
        except TimeoutError:
            if posted:
                raise PublishUncertain("no confirm in time") from None
            raise BrokerUnavailable("not connected in time") from None

    @abstractmethod
    async def declare(self, *queues: Queue) -> None:
        """Declare queues and their bindings now (when connected) and after every reconnection."""

    @abstractmethod
    async def consume(
        self, queue: str, on_delivery: OnDelivery, *, prefetch: int, auto_ack: bool = False
    ) -> Consumption:
        """Read a queue until cancelled, across reconnections and queue deletions."""

    @abstractmethod
    async def bind(self, exchange: str, key: str) -> None:
        """Bind the node queue; restored after every reconnection. Returns also when the broker is absent."""

    @abstractmethod
    async def unbind(self, exchange: str, key: str) -> None:
        """Undo ``bind``."""

    @abstractmethod
    async def delete(self, queue: str) -> None:
        """Delete a queue with its contents, and do not declare it again. Does nothing when not connected."""

    @abstractmethod
    def metrics(self) -> dict[str, int]:
        """Counters and gauges by name."""


_brokers: dict[tuple[asyncio.AbstractEventLoop, str, str], Broker] = {}
_lock = threading.Lock()


def get_broker(url: str | None = None, prefix: str | None = None) -> Broker:
    """The running loop's broker, opened; from the settings unless told otherwise.

    The implementation is imported by need: the try-out mode does without pika.
    """
    loop = asyncio.get_running_loop()
    key = (loop, url or conf.broker_url, prefix or conf.prefix)
    broker = _brokers.get(key)
    if broker is None:
        broker = _make_broker(key[1], key[2])
        with _lock:
            for stale in [known for known in _brokers if known[0].is_closed()]:
                del _brokers[stale]
            _brokers[key] = broker
    broker.open()
    return broker


def _make_broker(url: str, prefix: str) -> Broker:
    if url.startswith("memory:"):
        from checkout.messaging.memory import MemoryBroker

        return MemoryBroker(url, prefix)
    from checkout.messaging.connection import RabbitmqBroker

    return RabbitmqBroker(url, prefix)


async def close_brokers() -> None:
    """Close every broker of the running loop: the last step of a graceful shutdown."""
    loop = asyncio.get_running_loop()
    for key in [known for known in _brokers if known[0] is loop]:
        await _brokers.pop(key).close()
