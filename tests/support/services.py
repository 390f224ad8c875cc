"""A client of services under test, and a way to wait for changes in the database."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

import msgspec

from checkout.payments.models import OutboxMessage
from messaging.broker import Broker
from messaging.concurrency.database import in_thread
from messaging.envelope import Envelope, HeaderValue, Reply
from messaging.topology import Binding, Queue
from tests.support.brokers import Inbox, within

T = TypeVar("T")

REPLIES = "answers"


class Greet(msgspec.Struct, forbid_unknown_fields=True):
    name: str


class Greeted(msgspec.Struct, forbid_unknown_fields=True):
    text: str


class Client:
    """A client that sends commands and reads the replies from a durable queue of its own."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.replies = Inbox()
        self.dead = Inbox()
        self.queue = Queue(
            f"{broker.topology.replies}.{REPLIES}",
            {"x-queue-type": "classic"},
            (Binding(broker.topology.replies, f"{broker.topology.replies}.{REPLIES}"),),
        )

    async def start(self) -> "Client":
        await self.broker.declare(self.queue)
        await self.broker.consume(self.queue.name, self.replies, prefetch=100, auto_ack=True)
        dead = self.broker.topology.dead_queue.name
        await self.broker.consume(dead, self.dead, prefetch=100, auto_ack=True)
        return self

    def command(self, type: str, body: bytes = b'{"name": "you"}', **headers: HeaderValue) -> Envelope:
        return Envelope(
            type=type,
            body=body,
            correlation_id="c-1",
            reply_to=self.queue.name,
            headers={name.replace("_", "-"): value for name, value in headers.items()},
        )

    async def send(self, service: str, envelope: Envelope) -> None:
        """Send a command as soon as the service has declared its queue."""
        exchange = self.broker.topology.commands
        await self.broker.declare(self.broker.topology.service_queue(service))
        await self.broker.publish(exchange, service, envelope, timeout_seconds=10)

    async def reply(self) -> Reply:
        return Reply.decode((await self.reply_envelope()).body)

    async def reply_envelope(self) -> Envelope:
        envelope = (await self.replies.next()).envelope
        assert envelope is not None
        return envelope


async def until(check: Callable[[], T]) -> T:
    """Call ``check``, which queries the database, until its result is true, and return that result."""

    async def holds() -> T:
        while not (answer := await in_thread(check)):  # noqa: ASYNC110 (no event reports it)
            await asyncio.sleep(0.02)
        return answer

    return await within(holds())


def everything_is_marked() -> bool:
    return not OutboxMessage.objects.filter(published_at=None).exists()
