"""The two kinds of broker for the contract suites, and ways to make them fail."""

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import TypeVar
from uuid import uuid4

import pika
from pika import spec
from pika.exceptions import AMQPError

from messaging.access.participants import Participants
from messaging.broker import Broker
from messaging.delivery import Delivery
from messaging.envelope import Envelope
from messaging.memory.broker import MemoryBroker
from messaging.memory.server import MemoryServer
from messaging.rabbitmq.broker import RabbitmqBroker
from messaging.rabbitmq.channel import AmqpChannel
from messaging.rabbitmq.connection.addresses import connection_parameters
from messaging.rabbitmq.connection.link import Link
from messaging.topology import Binding, Queue
from tests.support.broker_users import make_memory_users, make_users, url_of
from tests.support.proxy import Proxy

WAIT_SECONDS = 50.0

T = TypeVar("T")


async def within(awaitable: Awaitable[T]) -> T:
    """Wait for `awaitable`, at most WAIT_SECONDS. Raises TimeoutError."""
    return await asyncio.wait_for(awaitable, WAIT_SECONDS)


class Lab(ABC):
    """A broker of one kind for one test, with a random prefix for its names."""

    url: str

    def __init__(self) -> None:
        self.prefix = f"t{uuid4().hex[:8]}"
        self._brokers: list[Broker] = []

    async def broker(self) -> Broker:
        """Return a new connected client, as another process would have."""
        broker = self.unconnected_broker()
        broker.open()
        await within(broker.wait_connected())
        return broker

    async def broker_of(self, participant: str) -> Broker:
        """Return a new client that is connected as the participant's own user; see `make_users`."""
        broker = self._make(url_of(participant, self.url, prefix=self.prefix))
        self._brokers.append(broker)
        broker.open()
        await within(broker.wait_connected())
        return broker

    @abstractmethod
    async def make_users(self, table: Participants | None = None) -> None:
        """Create a user with its rights for each participant of the table; by default, of the gateway's."""

    def unconnected_broker(self) -> Broker:
        broker = self._make()
        self._brokers.append(broker)
        return broker

    async def close(self) -> None:
        for broker in self._brokers:
            await broker.close()

    @abstractmethod
    def _make(self, url: str = "") -> Broker: ...

    @abstractmethod
    def hold(self) -> None:
        """Pass on no data from now on, until the connection is lost."""

    @abstractmethod
    def lose_connections(self) -> None:
        """Break every connection; new ones succeed."""

    @abstractmethod
    async def go_down(self) -> None:
        """Break every connection; new ones fail."""

    @abstractmethod
    async def come_back(self) -> None: ...

    @abstractmethod
    async def readers(self, queue: str) -> int:
        """Return how many consumers the queue has; 0 if there is no such queue."""

    @abstractmethod
    async def delete(self, queue: str) -> None:
        """Delete a queue with its messages, as an operator may."""

    @abstractmethod
    async def deliveries_counted_for_untried(self) -> int:
        """Return how many deliveries the queue counts for a message that was given back unhandled once."""

    async def nobody_reads(self, queue: str) -> None:
        """Wait until the queue has no consumer."""

        async def last_has_gone() -> None:
            while await self.readers(queue):  # noqa: ASYNC110 (no event reports it)
                await asyncio.sleep(0.02)

        await within(last_has_gone())

    async def somebody_reads(self, queue: str) -> None:
        """Wait until the queue has a consumer."""

        async def first_has_come() -> None:
            while not await self.readers(queue):  # noqa: ASYNC110 (no event reports it)
                await asyncio.sleep(0.02)

        await within(first_has_come())


class MemoryLab(Lab):
    def __init__(self) -> None:
        super().__init__()
        self.url = f"memory://{uuid4().hex}"
        self.server = MemoryServer.at(self.url)

    def _make(self, url: str = "") -> Broker:
        return MemoryBroker(url or self.url, self.prefix)

    async def make_users(self, table: Participants | None = None) -> None:
        make_memory_users(self.url, prefix=self.prefix, table=table)

    def hold(self) -> None:
        """Do nothing: nothing is confirmed within one iteration of the event loop anyway."""

    def lose_connections(self) -> None:
        self.server.stop()
        self.server.resume()

    async def go_down(self) -> None:
        self.server.stop()

    async def come_back(self) -> None:
        self.server.resume()

    async def readers(self, queue: str) -> int:
        known = self.server.queues.get(queue)
        return len(known._readers) if known is not None else 0

    async def delete(self, queue: str) -> None:
        self.server.delete(queue)

    async def deliveries_counted_for_untried(self) -> int:
        return 0


class RabbitmqLab(Lab):
    def __init__(self, proxy: Proxy) -> None:
        super().__init__()
        self.proxy = proxy
        self.watchdog_seconds = 2.0
        self.look_seconds = 10.0
        self.confirm_seconds = 30.0

    @property
    def url(self) -> str:  # type: ignore[override]
        return self.proxy.url

    def _make(self, url: str = "") -> Broker:
        return RabbitmqBroker(
            url or self.url,
            self.prefix,
            watchdog_seconds=self.watchdog_seconds,
            look_seconds=self.look_seconds,
            confirm_seconds=self.confirm_seconds,
        )

    async def make_users(self, table: Participants | None = None) -> None:
        await asyncio.to_thread(make_users, self.url, prefix=self.prefix, table=table)

    def hold(self) -> None:
        self.proxy.hold()

    def block(self) -> None:
        """Tell every client that publishing is blocked, as RabbitMQ does when it is short of disk."""
        self.proxy.say_to_clients(pika.frame.Method(0, spec.Connection.Blocked("low on disk")).marshal())

    def unblock(self) -> None:
        self.proxy.say_to_clients(pika.frame.Method(0, spec.Connection.Unblocked()).marshal())

    def lose_connections(self) -> None:
        self.proxy.cut()

    async def go_down(self) -> None:
        await self.proxy.refuse()

    async def come_back(self) -> None:
        await self.proxy.accept()

    async def readers(self, queue: str) -> int:
        link = await Link.open(connection_parameters(self.url, "counting readers")[0])
        try:
            channel = await link.channel()
            declared = await channel.ask(
                lambda answer: channel.raw.queue_declare(queue, passive=True, callback=answer)
            )
        except AMQPError:
            return 0
        finally:
            await link.close()
        return int(declared.method.consumer_count)

    async def delete(self, queue: str) -> None:
        async with raw_channel(self) as channel:
            await channel.ask(lambda answer: channel.raw.queue_delete(queue, callback=answer))

    async def deliveries_counted_for_untried(self) -> int:
        async with raw_channel(self) as channel:
            properties = channel.raw.connection.server_properties or {}
        major, minor, *_ = str(properties["version"]).split(".")
        return int((int(major), int(minor)) < (4, 3))

    async def close(self) -> None:
        self.proxy.cut()
        await self.proxy.accept()
        await super().close()
        await self.proxy.close()


@asynccontextmanager
async def raw_channel(rabbitmq: RabbitmqLab) -> AsyncIterator[AmqpChannel]:
    """Yield a channel of a foreign program."""
    link = await Link.open(connection_parameters(rabbitmq.url, "a test")[0])
    try:
        yield await link.channel()
    finally:
        await link.close()


async def lost(broker: Broker) -> None:
    """Wait until the broker client knows that it is not connected."""
    while broker.is_connected:  # noqa: ASYNC110 (no event reports it)
        await asyncio.sleep(0.01)


async def reconnected(broker: Broker) -> None:
    """Wait until the broker client has lost its connections and is connected again."""

    async def back() -> None:
        while not broker.metrics()["connections_lost"]:  # noqa: ASYNC110 (only a counter shows it)
            await asyncio.sleep(0.01)
        await broker.wait_connected()

    await within(back())


class Inbox:
    """A consumer that stores the deliveries of a queue."""

    def __init__(self) -> None:
        self._deliveries: deque[Delivery] = deque()
        self._arrived = asyncio.Event()

    def __call__(self, delivery: Delivery) -> None:
        self._deliveries.append(delivery)
        self._arrived.set()

    def __len__(self) -> int:
        return len(self._deliveries)

    async def next(self) -> Delivery:
        async def arrival() -> Delivery:
            while not self._deliveries:
                self._arrived.clear()
                await self._arrived.wait()
            return self._deliveries.popleft()

        return await within(arrival())


def command(text: str = "{}", **fields: object) -> Envelope:
    return Envelope(type="test.command", body=text.encode(), **fields)  # type: ignore[arg-type]


def small_queue(broker: Broker, name: str, limit: int) -> Queue:
    """Return a service's queue that takes ``limit`` messages and refuses more."""
    return Queue(
        f"{broker.topology.commands}.{name}",
        {"x-queue-type": "classic", "x-max-length": limit, "x-overflow": "reject-publish"},
        (Binding(broker.topology.commands, name),),
    )


async def a_moment(broker: Broker) -> None:
    """Publish and consume a message, so that all that was sent earlier has taken effect on this broker."""
    arrived = Inbox()
    queue = Queue(
        f"{broker.topology.prefix}.moment.{uuid4().hex[:8]}", {"x-queue-type": "classic", "x-expires": 60_000}
    )
    await broker.declare(queue)
    consumption = await broker.consume(queue.name, arrived, prefetch=1, auto_ack=True)
    await broker.publish("", queue.name, command(), timeout_seconds=WAIT_SECONDS)
    await arrived.next()
    await consumption.release()
