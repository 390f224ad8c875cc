"""The in-memory broker: RabbitMQ's behaviour for one process, with nothing to install.

It keeps the same contract as the RabbitMQ one (``tests/contracts/``), with these differences: messages live
as long as the process, a process's reply queue goes when its broker is closed, and queues do not expire.
Several event loops, in several threads, may share one server by its address.
"""

import asyncio
from collections.abc import Callable
from functools import partial

import structlog
from msgspec.structs import replace

from messaging.access.permissions import Permissions
from messaging.broker import Broker, Consumption, OnConfirm, OnDelivery, confirmed, user_of
from messaging.delivery import Delivery
from messaging.envelope import Envelope, kinds_of
from messaging.errors import (
    BrokerUnavailable,
    MessagingError,
    NotSendable,
    PublishRejected,
    PublishUncertain,
    ReplyLost,
    Undeliverable,
)
from messaging.memory.queue import Reader
from messaging.memory.server import MemoryServer
from messaging.rabbitmq.wire.writing import write_publish
from messaging.reply_queue import ReplyQueue
from messaging.topology import Binding, Queue, Topology

log = structlog.get_logger(__name__)

# The most bytes in one frame to RabbitMQ, unless its configuration says otherwise.
MAX_FRAME_BODY_BYTES = 131_064


class _Channel:
    """A channel that publishes. A rejected message closes it, and messages behind that one are lost."""

    rejection: PublishRejected | None = None


class MemoryBroker(Broker):
    """One event loop's connection to a MemoryServer, by the user that the address names."""

    def __init__(self, url: str, prefix: str) -> None:
        self.loop = asyncio.get_running_loop()
        self.topology = Topology(prefix)
        self.user = user_of(url)
        self.reply_queue = ReplyQueue(self.topology, self.topology.owner_of(self.user))
        self._server = MemoryServer.at(url)
        self._queues = [
            *self.topology.common_queues,
            self.topology.instance_queue(self.reply_queue.instance_id),
        ]
        self._readers: list[Reader] = []
        self._keys: set[Binding] = set()
        self._connected = asyncio.Event()
        self._is_open = False
        self._counters = {"published": 0, "returned": 0, "refused": 0, "deliveries": 0, "connections_lost": 0}
        self._unconfirmed = 0
        self._channel = _Channel()

    def open(self) -> None:
        """See Broker."""
        if self._is_open:
            return
        self._is_open = True
        self._readers.append(
            self._reader(self.reply_queue.name, self._deliver_to_reply_queue, None, auto_ack=True)
        )
        self._server.brokers.add(self)
        self.connect()

    async def close(self) -> None:
        """See Broker."""
        if not self._is_open:
            return
        self._server.brokers.discard(self)
        self.lose_connection()
        self._server.delete(self.reply_queue.name)
        self._is_open = False

    @property
    def is_connected(self) -> bool:
        """See Broker."""
        return self._connected.is_set()

    async def wait_connected(self) -> None:
        """See Broker."""
        await self._connected.wait()

    @property
    def is_reachable(self) -> bool:
        """See Broker: queues stay while their server is stopped."""
        return self.reply_queue.name in self._server.queues

    async def first_attempt(self) -> None:
        """See Broker: connecting takes no time here."""

    async def first_attempt_to_publish(self) -> None:
        """See Broker: connecting takes no time here."""

    def connect(self) -> None:
        """Reconnect: declare, bind and read everything again that this broker had before."""
        with self._server.lock:
            if not self._server.is_up or self._connected.is_set() or not self._is_open:
                return
            for queue in self._queues:
                self._declare(queue)
            for binding in self._keys:
                self._bind(self.reply_queue.name, binding)
            self._connected.set()
            for reader in self._readers:
                self._attach(reader)

    def lose_connection(self) -> None:
        """Behave as if the connection were cut: return deliveries, end waits, and refuse to publish."""
        if not self._connected.is_set():
            return
        self._counters["connections_lost"] += 1
        self._connected.clear()
        for reader in self._readers:
            self._detach(reader)
        self.reply_queue.end_waiters(ReplyLost, "connection lost while waiting for the reply")

    def publish_nowait(
        self, exchange: str, routing_key: str, envelope: Envelope, on_confirm: OnConfirm
    ) -> None:
        """See Broker."""
        self._publish(self._channel, exchange, routing_key, envelope, on_confirm)

    async def publish_alone(
        self, exchange: str, routing_key: str, envelope: Envelope, *, timeout_seconds: float
    ) -> None:
        """See Broker."""
        post = partial(self._publish, _Channel(), exchange, routing_key, envelope)
        await confirmed(self.first_attempt_to_publish, post, timeout_seconds)

    def _publish(
        self, channel: _Channel, exchange: str, routing_key: str, envelope: Envelope, on_confirm: OnConfirm
    ) -> None:
        if not self._connected.is_set():
            raise BrokerUnavailable("the in-memory broker is stopped or closed")
        try:
            # Called only for its errors: a message that RabbitMQ could not take is refused here, too.
            write_publish(1, exchange, routing_key, envelope, self.user, MAX_FRAME_BODY_BYTES)
        except ValueError as error:
            raise NotSendable(f"AMQP cannot carry it: {error}") from error
        outcome = self._outcome(channel, exchange, routing_key, envelope)
        self._counters["published"] += 1
        if isinstance(outcome, Undeliverable):
            self._counters["returned"] += 1
        elif outcome is not None:
            self._counters["refused"] += 1
        self._unconfirmed += 1
        self.loop.call_soon(self._confirm, on_confirm, outcome, self._counters["connections_lost"])

    def _outcome(
        self, channel: _Channel, exchange: str, routing_key: str, envelope: Envelope
    ) -> MessagingError | None:
        if channel.rejection is not None:
            return PublishRejected(str(channel.rejection))
        outcome = self._route(exchange, routing_key, self.signed(envelope))
        if isinstance(outcome, PublishRejected):
            channel.rejection = outcome
            # The next channel is open by the time at which the publisher hears of the error.
            self.loop.call_soon(setattr, channel, "rejection", None)
        return outcome

    def signed(self, envelope: Envelope) -> Envelope:
        """Return the message as it is sent: with this connection's user, and without unknown headers."""
        if all(map(kinds_of, envelope.headers)):
            return envelope if envelope.user_id == self.user else replace(envelope, user_id=self.user)
        headers = {name: value for name, value in envelope.headers.items() if kinds_of(name)}
        return replace(envelope, user_id=self.user, headers=headers)

    def _route(self, exchange: str, routing_key: str, envelope: Envelope) -> MessagingError | None:
        # RabbitMQ closes the channel at either mistake, so the publisher gets no confirm.
        if exchange and exchange not in self._server.kinds:
            return PublishUncertain(f"there is no exchange {exchange}")
        if self._server.allows(self.user, lambda rights: rights.may_publish(exchange, routing_key)):
            return self._server.route(exchange, routing_key, envelope)
        return PublishRejected(f"{self.user} may not publish to {exchange} for {routing_key}")

    def _confirm(self, on_confirm: OnConfirm, outcome: MessagingError | None, incarnation: int) -> None:
        self._unconfirmed -= 1
        if incarnation != self._counters["connections_lost"]:
            outcome = PublishUncertain("connection lost before the confirm")
        on_confirm(outcome)

    async def declare(self, *queues: Queue) -> None:
        """See Broker."""
        self._queues.extend(queue for queue in queues if queue not in self._queues)
        if self._connected.is_set():
            for queue in queues:
                self._declare(queue)

    def _declare(self, queue: Queue) -> None:
        is_there = queue.is_common and queue.name in self._server.queues
        if is_there or self._may("declare", queue.name, lambda rights: rights.may_configure(queue.name)):
            self._server.declare(self.topology, queue)
            for binding in () if is_there else queue.bindings:
                self._bind(queue.name, binding)

    def _bind(self, queue: str, binding: Binding) -> None:
        exchange, key = binding.exchange, binding.key
        if self._may("bind", queue, lambda rights: rights.may_bind(queue, exchange, key)):
            self._server.bind(queue, binding)

    def _may(self, what: str, queue: str, is_allowed: Callable[[Permissions], bool]) -> bool:
        if self._server.allows(self.user, is_allowed):
            return True
        log.warning("access refused", user=self.user, what=what, queue=queue)
        return False

    async def consume(
        self, queue: str, on_delivery: OnDelivery, *, prefetch: int, auto_ack: bool = False
    ) -> Consumption:
        """See Broker."""
        reader = self._reader(queue, self._counting(on_delivery), prefetch, auto_ack=auto_ack)
        self._readers.append(reader)
        if self._connected.is_set():
            self._attach(reader)

        async def cancel() -> None:
            if reader in self._readers:
                self._readers.remove(reader)
            with self._server.lock:
                target = self._server.queues.get(queue)
                if target is not None:
                    target.remove(reader)
            await asyncio.sleep(0)  # Deliveries that are already scheduled arrive before this returns.

        async def release() -> None:
            try:
                await cancel()
            finally:
                self._detach(reader)

        return Consumption(cancel, release)

    def _reader(self, queue: str, on_delivery: OnDelivery, prefetch: int | None, *, auto_ack: bool) -> Reader:
        reader = Reader(queue, on_delivery, self.loop, prefetch, auto_ack)
        reader.on_queue_deleted = partial(self._reattach, reader)
        return reader

    def _counting(self, on_delivery: OnDelivery) -> Callable[[Delivery], None]:
        def deliver(delivery: Delivery) -> None:
            self._counters["deliveries"] += 1
            on_delivery(delivery)

        return deliver

    def _deliver_to_reply_queue(self, delivery: Delivery) -> None:
        if self._connected.is_set():
            self.reply_queue.deliver(delivery)

    def _reattach(self, reader: Reader) -> None:
        """Declare a queue again that was deleted, and go on reading it."""
        with self._server.lock:
            if not self._connected.is_set() or reader not in self._readers:
                return
            for queue in self._queues:
                if queue.name == reader.queue:
                    self._declare(queue)
            self._attach(reader)

    def _attach(self, reader: Reader) -> None:
        queue = self._server.queues.get(reader.queue)
        if queue is not None and self._may(
            "read", reader.queue, lambda rights: rights.may_read(reader.queue)
        ):
            queue.add(reader)

    def _detach(self, reader: Reader) -> None:
        with self._server.lock:
            queue = self._server.queues.get(reader.queue)
            if queue is not None:
                queue.remove(reader)
                queue.take_back(reader)

    async def bind(self, exchange: str, key: str) -> None:
        """See Broker."""
        self._keys.add(Binding(exchange, key))
        if self._connected.is_set():
            self._bind(self.reply_queue.name, Binding(exchange, key))

    async def unbind(self, exchange: str, key: str) -> None:
        """See Broker."""
        self._keys.discard(Binding(exchange, key))
        self._server.unbind(self.reply_queue.name, Binding(exchange, key))

    def metrics(self) -> dict[str, int]:
        """See Broker."""
        return self._counters | {
            "unconfirmed": self._unconfirmed,
            "waiters": self.reply_queue.waiting,
            "late_replies": self.reply_queue.late_replies,
            "not_entitled": self.reply_queue.not_entitled,
        }
