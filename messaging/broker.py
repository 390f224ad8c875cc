"""The contract that every broker implementation keeps; ``tests/contracts/`` holds it to it.

A broker belongs to one event loop and may only be used on it. There is one per loop, address and prefix.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from messaging.concurrency import loops
from messaging.delivery import Delivery
from messaging.envelope import Envelope
from messaging.errors import BrokerUnavailable, MessagingError, PublishUncertain
from messaging.reply_queue import ReplyQueue
from messaging.topology import Queue, Topology

OnConfirm = Callable[[MessagingError | None], None]


def user_of(url: str) -> str:
    """Return the user name in a broker's address."""
    return unquote(urlsplit(url).username or "guest")


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
    reply_queue: ReplyQueue

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
    def publish_nowait(
        self, exchange: str, routing_key: str, envelope: Envelope, on_confirm: OnConfirm
    ) -> None:
        """Publish without waiting. ``on_confirm`` is called once: None when confirmed, else what happened.

        Raises BrokerUnavailable or PublishRefused when it certainly is not going to be published.
        ``on_confirm`` receives PublishRefused (nack), Undeliverable (returned) or PublishUncertain (the
        channel or the connection ended first).
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

        def on_confirm(error: MessagingError | None) -> None:
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
                self.publish_nowait(exchange, routing_key, envelope, on_confirm)
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
        """Bind the reply queue, again after every reconnection. Returns also when the broker is absent."""

    @abstractmethod
    async def unbind(self, exchange: str, key: str) -> None:
        """Undo ``bind``."""

    @abstractmethod
    async def delete(self, queue: str) -> None:
        """Delete a queue with its contents, and do not declare it again. Does nothing when not connected."""

    @abstractmethod
    def metrics(self) -> dict[str, int]:
        """Counters and gauges by name."""
