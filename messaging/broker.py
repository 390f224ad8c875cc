"""The contract of every broker implementation; ``tests/contracts/`` checks it.

A broker belongs to one event loop and may only be used there. There is one per loop, address and prefix.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urlsplit

from messaging.delivery import Delivery
from messaging.envelope import Envelope
from messaging.errors import BrokerUnavailable, MessagingError, PublishUncertain
from messaging.reply_queue import ReplyQueue
from messaging.topology import Queue, Topology

OnConfirm = Callable[[MessagingError | None], None]
OnDelivery = Callable[[Delivery], None]


NOT_AN_ADDRESS = (
    "a broker's address cannot be taken apart. An IPv6 address stands in brackets, and is possible for a "
    "single host only; brackets and special letters of a user or password must be "
    "percent-encoded, as %5B %5D."
)


def split_address(url: str) -> SplitResult:
    """Return the parts of a broker's address. Raises ValueError, without any part of the address."""
    try:
        return urlsplit(url)
    except ValueError:
        raise ValueError(NOT_AN_ADDRESS) from None


def user_of(url: str) -> str:
    """Return the user name in a broker's address. Raises ValueError for a malformed address."""
    return unquote(split_address(url).username or "guest")


def vhost_of(url: str) -> str:
    """Return the virtual host in a broker's address, ``/`` without one. Raises ValueError as ``user_of``."""
    return unquote(split_address(url).path.removeprefix("/")) or "/"


@dataclass(slots=True)
class Consumption:
    """A queue being read. ``cancel`` stops new deliveries; earlier deliveries may still be acknowledged."""

    cancel: Callable[[], Awaitable[None]]
    release: Callable[[], Awaitable[None]]
    """Ends the reading altogether: deliveries that were not acknowledged go back to the queue."""


class Broker(ABC):
    """Publishing, consuming and binding on the running event loop. Callbacks must not raise."""

    topology: Topology
    reply_queue: ReplyQueue

    @abstractmethod
    def open(self) -> None:
        """Begin connecting, and return at once: attempts are repeated for ever. Further calls do nothing."""

    @abstractmethod
    async def close(self) -> None:
        """Wait for outstanding confirms (a second at most), then disconnect and end all waits for replies."""

    @property
    @abstractmethod
    def is_connected(self) -> bool:
        """Return True if messages can be published and are being received."""

    @abstractmethod
    async def wait_connected(self) -> None:
        """Wait until the broker is connected."""

    @property
    @abstractmethod
    def is_reachable(self) -> bool:
        """Return True if this process's queue exists on the broker, so that other processes can send to it.

        The queue outlives a lost connection for a while; its messages arrive with the next connection.
        """

    async def wait_reachable(self, *, timeout_seconds: float) -> None:
        """Wait until other processes can send to this one. Raises BrokerUnavailable."""
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
        """Wait until the first attempt to connect has succeeded or failed; afterwards, return at once.

        The attempt after a lost connection is waited for as well, two seconds at most.
        """

    @abstractmethod
    async def first_attempt_to_publish(self) -> None:
        """Wait as ``first_attempt`` does, but only for the connection that publishes."""

    @abstractmethod
    def publish_nowait(
        self, exchange: str, routing_key: str, envelope: Envelope, on_confirm: OnConfirm
    ) -> None:
        """Publish without waiting. ``on_confirm`` is called once, with None when confirmed, or an error.

        Raises BrokerUnavailable or PublishRefused if the message certainly will not be published.
        ``on_confirm`` receives PublishRefused (nack), Undeliverable (returned), PublishRejected (the broker
        closed the channel because of a message) or PublishUncertain (the channel or the connection ended
        first).
        """

    async def publish(
        self, exchange: str, routing_key: str, envelope: Envelope, *, timeout_seconds: float
    ) -> None:
        """Publish a message as mandatory, and wait for the confirm.

        Raises BrokerUnavailable (not published), PublishRefused (not published: a queue is full, or too much
        is unconfirmed), Undeliverable (no queue took it), PublishUncertain (perhaps published: the connection
        or channel was lost, or no confirm came in time) or PublishRejected (perhaps published: the broker
        rejects this message, or another one sent at the same time).
        """
        await confirmed(
            self.first_attempt_to_publish,
            lambda on_confirm: self.publish_nowait(exchange, routing_key, envelope, on_confirm),
            timeout_seconds,
        )

    @abstractmethod
    async def publish_alone(
        self, exchange: str, routing_key: str, envelope: Envelope, *, timeout_seconds: float
    ) -> None:
        """Publish as ``publish`` does, on a connection of its own. PublishRejected is then certain."""

    @abstractmethod
    async def declare(self, *queues: Queue) -> None:
        """Declare queues and their bindings now (if connected) and after every reconnection."""

    @abstractmethod
    async def consume(
        self, queue: str, on_delivery: OnDelivery, *, prefetch: int, auto_ack: bool = False
    ) -> Consumption:
        """Read a queue until cancelled, across reconnections and queue deletions."""

    @abstractmethod
    async def bind(self, exchange: str, key: str) -> None:
        """Bind the reply queue, now and after every reconnection. Returns even if the broker is absent.

        After a reconnection, messages may arrive before all groups are bound again, if there are thousands of
        them.
        """

    @abstractmethod
    async def unbind(self, exchange: str, key: str) -> None:
        """Undo ``bind``."""

    @abstractmethod
    def metrics(self) -> dict[str, int]:
        """Return this process's counters and gauges by name, for programs that observe it."""


async def confirmed(
    connect: Callable[[], Awaitable[None]], post: Callable[[OnConfirm], None], timeout_seconds: float
) -> None:
    """Connect, post a message, and wait for its confirm. Raises as ``Broker.publish`` does."""
    ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

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
            await connect()
            post(on_confirm)
            posted = True
            await ended
    except TimeoutError:
        if posted:
            raise PublishUncertain("no confirm in time") from None
        raise BrokerUnavailable("not connected in time") from None
