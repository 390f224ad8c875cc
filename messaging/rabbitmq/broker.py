"""The RabbitMQ broker: two supervised connections on the running loop.

Publishing and consuming use separate connections. A broker short of disk or memory stops reading from
connections that publish (RabbitMQ, "Memory and Disk Alarms"), and acknowledgements must still get through.
"""

import asyncio
import contextlib
import itertools
import math

import structlog
from pika.exceptions import AMQPError

from messaging.broker import Broker, Consumption, OnConfirm, OnDelivery, confirmed, user_of
from messaging.delivery import Delivery
from messaging.envelope import Envelope
from messaging.errors import BrokerUnavailable, MessagingError, ReplyLost
from messaging.logs.outage import Outage
from messaging.rabbitmq.connection.addresses import connection_parameters, nodes_of
from messaging.rabbitmq.connection.link import Link
from messaging.rabbitmq.connection.supervisor import Supervisor
from messaging.rabbitmq.connection.watchdog import INTERVAL_SECONDS, Watchdog
from messaging.rabbitmq.declaring import (
    HOME_SECONDS,
    ONLY_HOME_SECONDS,
    Stopped,
    bind_all,
    change_binding,
    declare_exchanges,
    declare_own_queue,
    declare_queue,
    unbind_all,
)
from messaging.rabbitmq.publisher import CONFIRM_SECONDS, Publisher
from messaging.rabbitmq.subscriptions import (
    LOOK_SECONDS,
    PATIENCE_SECONDS,
    RETRY_SECONDS,
    Subscription,
    Subscriptions,
)
from messaging.reply_queue import ReplyQueue
from messaging.topology import INSTANCE_QUEUE_EXPIRY_MILLISECONDS, Queue, Topology

log = structlog.get_logger(__name__)

BLOCKED_TIMEOUT_SECONDS = 15.0
CLOSE_TIMEOUT_SECONDS = 1.0
# The time that the reply queue exists without a reader, less a margin: the broker may notice the loss of a
# connection before we do.
QUEUE_OUTLIVES_SECONDS = INSTANCE_QUEUE_EXPIRY_MILLISECONDS / 1000 - 60
WATCHDOG = "watchdog"
# Each change of a binding uses a channel of its own; a connection has about two thousand.
MOST_BINDING_CHANGES = 100
BINDING_ATTEMPTS = 3
# After each batch, groups that were joined or left meanwhile are taken into account.
BINDINGS_AT_ONCE = 500


class RabbitmqBroker(Broker):
    """A broker of RabbitMQ. ``connection_parameters`` describes ``url`` and ``zone``."""

    def __init__(
        self,
        url: str,
        prefix: str,
        *,
        zone: str = "",
        quorum_group_size: int = 0,
        watchdog_seconds: float = INTERVAL_SECONDS,
        look_seconds: float = LOOK_SECONDS,
        confirm_seconds: float = CONFIRM_SECONDS,
    ) -> None:
        self.topology = Topology(prefix, quorum_group_size)
        self._user = user_of(url)
        self.reply_queue = ReplyQueue(self.topology, self.topology.owner_of(self._user))
        self._instance_queue = self.topology.instance_queue(self.reply_queue.instance_id)
        self._successors = 0
        self._must_move = False  # the broker failed when it declared the present queue
        self._former_queues: list[Queue] = []  # stopped, and still bound
        self._queues = {queue.name: queue for queue in (*self.topology.common_queues, self._instance_queue)}
        self._keys: set[tuple[str, str]] = set()
        self._left_keys: set[tuple[str, str]] = set()  # not wanted any more, perhaps still bound
        self._binding_changes = asyncio.Semaphore(MOST_BINDING_CHANGES)
        self._bound: set[tuple[str, str]] = set()  # bound to the present queue on the present link
        self._binding: asyncio.Task[None] | None = None
        self._leaving: asyncio.Task[None] | None = None
        self._background: set[asyncio.Task[None]] = set()
        self._home_seconds = HOME_SECONDS if len(nodes_of(url)) > 1 else ONLY_HOME_SECONDS
        self._publisher = Publisher(self._user, confirm_seconds=confirm_seconds)
        self._subscriptions = Subscriptions(self._redeclare, self._rebind, look_seconds)
        # The outage is over when both connections are there, so one success is proof enough.
        self._outage = Outage("broker", quiet_seconds=0)
        name = f"{prefix} {self.reply_queue.instance_id}"
        self._publishing = Supervisor(
            "publish",
            connection_parameters(
                url, f"{name} publish", zone=zone, blocked_timeout_seconds=BLOCKED_TIMEOUT_SECONDS
            ),
            self._prepare_publishing,
            self._note_ready,
            self._publishing_lost,
            self._outage,
        )
        self._consuming = Supervisor(
            "consume",
            connection_parameters(url, f"{name} consume", zone=zone),
            self._prepare_consuming,
            self._note_ready,
            self._consuming_lost,
            self._outage,
        )
        self._watchdog = Watchdog(self._ping, self._may_judge, self._give_up, watchdog_seconds)
        self._watching: asyncio.Task[None] | None = None
        self._own_subscription = Subscription(
            self._instance_queue.name,
            self._on_own_delivery,
            prefetch=0,
            auto_ack=True,
            on_interrupted=self._end_waiters,
            is_classic=True,
        )
        self._subscriptions.add(self._own_subscription)
        self._connections_lost = 0
        self._reading_until = -math.inf

    def open(self) -> None:
        """See Broker."""
        if self._watching is None:
            self._publishing.start()
            self._consuming.start()
            self._watching = asyncio.get_running_loop().create_task(self._watchdog.run(), name="watchdog")

    async def close(self) -> None:
        """See Broker."""
        watching, self._watching = self._watching, None
        if watching is None:
            return
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT_SECONDS):
                await self._publisher.drained.wait()
        await asyncio.gather(self._publishing.stop(), self._consuming.stop())
        self._stop_binding()

    @property
    def is_connected(self) -> bool:
        """See Broker. False while the broker has blocked publishing."""
        return self._has_connections and self._publisher.accepts.is_set()

    @property
    def _has_connections(self) -> bool:
        return self._publishing.ready.is_set() and self._consuming.ready.is_set()

    async def wait_connected(self) -> None:
        """See Broker."""
        while not self.is_connected:
            await self._publishing.ready.wait()
            await self._consuming.ready.wait()
            await self._publisher.accepts.wait()

    @property
    def is_reachable(self) -> bool:
        """See Broker."""
        if self._consuming.ready.is_set():
            return True
        return asyncio.get_running_loop().time() - self._reading_until < QUEUE_OUTLIVES_SECONDS

    async def first_attempt(self) -> None:
        """See Broker."""
        await self._publishing.first_attempt.wait()
        await self._consuming.first_attempt.wait()

    async def first_attempt_to_publish(self) -> None:
        """See Broker."""
        await self._publishing.first_attempt.wait()

    def publish_nowait(
        self, exchange: str, routing_key: str, envelope: Envelope, on_confirm: OnConfirm
    ) -> None:
        """See Broker."""
        self._publisher.publish_nowait(exchange, routing_key, envelope, on_confirm)

    async def publish_alone(
        self, exchange: str, routing_key: str, envelope: Envelope, *, timeout_seconds: float
    ) -> None:
        """See Broker."""
        main, publisher = self._publishing.link, Publisher(self._user)
        async with contextlib.AsyncExitStack() as ending:

            async def connect() -> None:
                if main is None:
                    raise BrokerUnavailable("not connected")
                try:
                    link = await main.another()
                    ending.push_async_callback(link.close)
                    link.closed.add_done_callback(lambda closed: publisher.lost())
                    await publisher.prepare(link)
                except (AMQPError, OSError) as error:
                    raise BrokerUnavailable(f"no connection of its own: {error}") from error

            await confirmed(
                connect,
                lambda on_confirm: publisher.publish_nowait(exchange, routing_key, envelope, on_confirm),
                timeout_seconds,
            )

    async def declare(self, *queues: Queue) -> None:
        """See Broker. If the broker refuses, that is logged when the queue is read."""
        self._queues |= {queue.name: queue for queue in queues}
        link = self._consuming.link
        if link is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE_SECONDS):
                    await asyncio.gather(*(self._redeclare_if_possible(link, queue.name) for queue in queues))

    async def consume(
        self, queue: str, on_delivery: OnDelivery, *, prefetch: int, auto_ack: bool = False
    ) -> Consumption:
        """See Broker."""
        known = self._queues.get(queue)
        return await self._subscriptions.consume(
            Subscription(
                queue,
                on_delivery,
                prefetch,
                auto_ack,
                is_classic=known is not None and known.arguments.get("x-queue-type") == "classic",
            )
        )

    async def bind(self, exchange: str, key: str) -> None:
        """See Broker."""
        self._keys.add((exchange, key))
        await self._change_binding(exchange, key)

    async def unbind(self, exchange: str, key: str) -> None:
        """See Broker."""
        self._keys.discard((exchange, key))
        self._left_keys.add((exchange, key))
        await self._change_binding(exchange, key)

    def metrics(self) -> dict[str, int]:
        """See Broker."""
        return {
            "published": self._publisher.published,
            "returned": self._publisher.returned,
            "refused": self._publisher.refused,
            "uncertain": self._publisher.uncertain,
            "unconfirmed": self._publisher.unconfirmed,
            "unconfirmed_bytes": self._publisher.unconfirmed_bytes,
            "deliveries": self._subscriptions.deliveries,
            "connections_lost": self._connections_lost,
            "waiters": self.reply_queue.waiting,
            "late_replies": self.reply_queue.late_replies,
            "not_entitled": self.reply_queue.not_entitled,
        }

    async def _prepare_publishing(self, link: Link) -> None:
        await declare_exchanges(link, self.topology.exchanges)
        await self._publisher.prepare(link)
        if not self._publisher.accepts.is_set():
            self._ping()

    def _note_ready(self) -> None:
        if self._has_connections:
            self._outage.answered()

    def _publishing_lost(self, name: str) -> None:
        self._connections_lost += 1
        self._publisher.lost()

    async def _prepare_consuming(self, link: Link) -> None:
        await declare_exchanges(link, self.topology.exchanges)
        unread = self._queues.keys() - self._subscriptions.queues
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_SECONDS):
                await asyncio.gather(*(self._redeclare_if_possible(link, name) for name in unread))
        await self._subscriptions.prepare(link, self._own_subscription)
        if self._binding is None or self._binding.done():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE_SECONDS):
                    await self._bind_groups(link)  # those that were joined meanwhile
        self._leaving = asyncio.get_running_loop().create_task(self._settle_when_ready(link))

    def _consuming_lost(self, name: str) -> None:
        self._connections_lost += 1
        self._stop_binding()
        self._reading_until = asyncio.get_running_loop().time()
        self._subscriptions.lost()
        self._end_waiters()

    async def _redeclare(self, link: Link, name: str) -> None:
        queue = self._queues.get(name)
        if queue is self._instance_queue:
            await self._declare_own(link, queue)
            await self._begin_binding(link)
        elif queue is not None:
            await declare_queue(link, queue)

    async def _declare_own(self, link: Link, queue: Queue) -> None:
        try:
            if self._must_move:
                await self._move(link, queue)
            elif await declare_own_queue(link, queue, self._home_seconds):
                self._end_waiters()
        except Stopped:
            await self._move(link, queue)
        except AMQPError:
            # The broker also crashes like this while a node stops. The next connection would end in the same
            # way.
            self._must_move = link.has_crashed
            raise
        while self._former_queues:
            await self._leave(link, self._former_queues[0])

    async def _move(self, link: Link, former: Queue) -> None:
        """Replace this process's queue by a successor, which receives its messages. Raises AMQPError."""
        self._successors += 1
        queue = self.topology.instance_queue(self.reply_queue.instance_id, self._successors)
        log.warning("queue left, because its node has stopped it", queue=former.name, successor=queue.name)
        del self._queues[former.name]
        self._queues[queue.name] = self._instance_queue = queue
        self._own_subscription.queue = queue.name
        self._must_move = False
        self._former_queues.append(former)
        self._end_waiters()
        await declare_queue(link, queue)

    async def _leave(self, link: Link, former: Queue) -> None:
        """Unbind a queue that has a successor. Raises AMQPError.

        Otherwise the stopped queue would refuse a copy of each message, so that senders would repeat a
        message that has arrived. When its node is back, the queue exists again until it expires.
        """
        await unbind_all(link, former.name, [(binding.exchange, binding.key) for binding in former.bindings])
        self._former_queues.remove(former)
        leaving = asyncio.get_running_loop().create_task(self._leave_groups(link, former))
        self._background.add(leaving)
        leaving.add_done_callback(self._background.discard)

    async def _leave_groups(self, link: Link, former: Queue) -> None:
        keys = iter(list(self._keys))
        while some := list(itertools.islice(keys, BINDINGS_AT_ONCE)):
            with contextlib.suppress(AMQPError):
                await unbind_all(link, former.name, some)

    async def _redeclare_if_possible(self, link: Link, name: str) -> None:
        """Declare a queue. If it exists with other arguments, the process goes on without that queue."""
        with contextlib.suppress(AMQPError):
            await self._redeclare(link, name)

    async def _rebind(self, link: Link, name: str) -> None:
        """Bind a queue as it was declared, except to groups, as there may be thousands of them.

        A common queue is not bound, as few users may do that.
        """
        if (queue := self._queues.get(name)) is not None and not queue.is_common:
            await bind_all(link, name, [(binding.exchange, binding.key) for binding in queue.bindings])

    async def _change_binding(self, exchange: str, key: str) -> None:
        """Bind or unbind, depending on what is wanted when the request is sent.

        If the connection ends first, the next connection does it.
        """
        async with self._binding_changes:
            for attempt in range(1, BINDING_ATTEMPTS + 1):
                link, is_wanted = self._consuming.link, (exchange, key) in self._keys
                if link is None or not link.is_open:
                    return
                try:
                    await change_binding(link, self._instance_queue.name, exchange, key, is_bound=is_wanted)
                except AMQPError as error:
                    log.warning("binding not changed", exchange=exchange, attempt=attempt, reason=str(error))
                    continue
                if is_wanted is ((exchange, key) in self._keys):
                    self._left_keys.discard((exchange, key))
                    return

    async def _begin_binding(self, link: Link) -> None:
        """Bind all groups. After ``PATIENCE_SECONDS``, return and let the rest be bound in the background."""
        if self._binding is not None:
            self._binding.cancel()
        self._bound = set()
        self._binding = asyncio.get_running_loop().create_task(self._bind_groups(link), name="bind groups")
        await asyncio.wait({self._binding}, timeout=PATIENCE_SECONDS)

    async def _bind_groups(self, link: Link) -> None:
        """Bind the groups that are not bound on this link yet, and unbind those that were left meanwhile."""
        bound = self._bound  # the set of this queue: one that is made anew gets its own
        while link.is_open and (missing := self._keys - bound):
            some = set(itertools.islice(missing, BINDINGS_AT_ONCE))
            try:
                await bind_all(link, self._instance_queue.name, some)
            except AMQPError as error:
                if not link.is_open:
                    return
                log.warning("groups not bound", reason=str(error))
                await asyncio.sleep(RETRY_SECONDS)
                continue
            bound |= some
            self._left_keys |= some - self._keys
        await asyncio.gather(*(self._change_binding(*left) for left in list(self._left_keys)))

    async def _settle_when_ready(self, link: Link) -> None:
        """Bind groups that were joined, and unbind groups that were left, while there was no connection."""
        await self._consuming.ready.wait()
        if self._binding is not None:
            await asyncio.wait({self._binding})
        await self._bind_groups(link)

    def _stop_binding(self) -> None:
        for task in (self._binding, self._leaving, *self._background):
            if task is not None:
                task.cancel()

    def _on_own_delivery(self, delivery: Delivery) -> None:
        if delivery.envelope is not None and delivery.envelope.type == WATCHDOG:
            self._watchdog.heard()
        else:
            self.reply_queue.deliver(delivery)

    def _end_waiters(self) -> None:
        self.reply_queue.end_waiters(ReplyLost, "connection lost while waiting for the reply")

    def _may_judge(self) -> bool:
        link = self._publishing.link
        return self._has_connections and link is not None and not link.is_blocked

    def _ping(self) -> None:
        if self._publisher.waits_in_vain():
            self._publishing.abort("a message has not been confirmed for long, so others may not be either")
            return
        envelope = Envelope(type=WATCHDOG, body=b"{}")
        # A refusal because too much is unconfirmed is a sign of a dead link, so it counts as a missing
        # message.
        with contextlib.suppress(MessagingError):
            self._publisher.try_to_publish(
                self.topology.replies, self.reply_queue.name, envelope, lambda error: None
            )

    def _give_up(self) -> None:
        self._publishing.abort("our own messages do not come round")
        self._consuming.abort("our own messages do not come round")
