"""Consumers of queues, each on a channel of its own, which are started again after any interruption."""

import asyncio
import contextlib
import itertools
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import structlog
from pika.exceptions import AMQPConnectionError, AMQPError

from messaging.broker import Consumption, OnDelivery
from messaging.delivery import Delivery, Outcome
from messaging.rabbitmq.channel import AmqpChannel
from messaging.rabbitmq.connection.link import Link
from messaging.rabbitmq.connection.second_link import NoSecondLink, SecondLink
from messaging.rabbitmq.declaring import count_messages, count_readers

log = structlog.get_logger(__name__)

RETRY_SECONDS = 0.5
# Each attempt to read a queue apart may use a new connection, and write a crash into the broker's log.
RETRY_APART_SECONDS = 5.0
# The same without a second connection: the next attempt may end the common one, and all reading on it.
RETRY_TOGETHER_SECONDS = 30.0
# The number of attempts without a pause at a queue that seems to be empty. The broker also crashes at a queue
# without a leader, and may not count yet the messages that it got back from the previous connection.
MOST_TRIES = 5
# A process's own queue is declared, then read. Its node may stop between the two.
OWN_TRIES = 2
# A new connection waits this long for each kind of thing that it can begin without. About a queue without a
# majority of its nodes, the broker does not answer for 15 seconds (RabbitMQ 4.0, measured).
PATIENCE_SECONDS = 2.0
# The time for the broker's answer when reading ends. Messages that it delivers later are given back.
CANCEL_SECONDS = 2.0
# A broker may lose a consumer without telling its client, or not answer about one queue, while the rest of
# the connection works. It also counts no consumers while a queue elects a leader, so one look is not enough.
LOOK_SECONDS = 10.0
LOOKS = 3
# Every member of the cluster takes part in a binding, even in one that exists, so not every look repeats
# them.
LOOKS_PER_BINDING = 6


@dataclass(eq=False)
class Subscription:
    """A queue to read. ``on_interrupted`` is called when reading stops although the connection lives.

    If ``is_apart``, it is next read on the second connection. That is never so for a queue that
    ``is_classic``, because the broker never ends a connection for one. A subscription ``is_bystander`` if the
    broker ended a connection before this queue was asked for on it. It ``is_suspect`` if the broker ended the
    connection on which the queue was read: perhaps the broker cannot deliver its first message.
    """

    queue: str
    on_delivery: OnDelivery
    prefetch: int
    auto_ack: bool
    on_interrupted: Callable[[], None] | None = None
    is_classic: bool = False
    is_cancelled: bool = False
    is_asked_for: bool = False
    is_reading: bool = False
    is_apart: bool = False
    is_bystander: bool = False
    is_suspect: bool = False
    missed: int = 0
    tag: str = ""
    channel: AmqpChannel | None = None
    first_try: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None
    held: set[asyncio.Task[None]] = field(default_factory=set)


class Subscriptions:
    """All queues that this process reads. ``redeclare`` declares a queue again before it is read again.

    Every ``look_seconds`` the broker is asked whether it counts a reader of each queue. If it has counted
    none LOOKS times in a row, reading begins again. At every LOOKS_PER_BINDING-th look, ``rebind`` binds the
    queue again: nobody would notice a binding that an operator removed, or that was deleted with its
    exchange.

    If a quorum queue has no leader, an attempt to read it makes the broker end the whole connection. Quorum
    queues that were asked for at that moment, or whose reading has to begin again, are therefore read on a
    second connection, which they share, and on which they are asked for one after another. After one of them
    was read there, it is next read on the common connection again. If no second connection can be opened, the
    common one is used.

    The broker also ends the connection if it cannot deliver a message, for example some of AMQP 1.0 to a
    client of AMQP 0.9.1. That happens at each delivery, until the queue's limit is reached. All messages in
    flight then count as delivered, so other messages would be given up, too. So if a connection ended in this
    way, the first messages of its quorum queues are read on a connection of their own each, until the broker
    has given up the faulty one.
    """

    def __init__(
        self,
        redeclare: Callable[[Link, str], Awaitable[None]],
        rebind: Callable[[Link, str], Awaitable[None]],
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        self.deliveries = 0
        self._redeclare = redeclare
        self._rebind = rebind
        self._look_seconds = look_seconds
        self._looking: asyncio.Task[None] | None = None
        self._subscriptions: list[Subscription] = []
        self._link: Link | None = None
        self._second: SecondLink | None = None
        self._ending: set[asyncio.Task[None]] = set()

    @property
    def queues(self) -> set[str]:
        """The names of the queues that are read."""
        return {subscription.queue for subscription in self._subscriptions}

    async def prepare(self, link: Link, own: Subscription) -> None:
        """Read all queues on a new link, beginning with the process's ``own`` one.

        Raises AMQPConnectionError if that queue cannot be read. The link is useless then, and messages that
        the broker had delivered from other queues would count as failed attempts.
        """
        for _ in range(OWN_TRIES):
            self._begin(own, link)
            await own.first_try.wait()
            if own.is_reading or not link.is_open:
                break
        if not own.is_reading:
            raise AMQPConnectionError("the reply queue cannot be read")
        self._link = link
        others = [subscription for subscription in self._subscriptions if subscription is not own]
        for subscription in others:
            self._begin(subscription, link)
        await self._first_tries(others)
        self._looking = asyncio.get_running_loop().create_task(self._look_again_and_again(link), name="look")

    @staticmethod
    async def _first_tries(subscriptions: Sequence[Subscription]) -> None:
        """Wait for the first attempts, but not for queues about which the broker does not answer."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_SECONDS):
                for subscription in subscriptions:
                    await subscription.first_try.wait()

    def lost(self) -> None:
        """Stop reading, because the link is gone with its channels; unacknowledged deliveries come again."""
        self._link = None
        if self._looking is not None:
            self._looking.cancel()
        for subscription in self._subscriptions:
            subscription.channel = None
            if subscription.task is not None:
                subscription.task.cancel()

    def add(self, subscription: Subscription) -> None:
        """Read this queue on every link from the next one on."""
        self._subscriptions.append(subscription)

    async def consume(self, subscription: Subscription) -> Consumption:
        """Read this queue now, or as soon as possible. If the call is cancelled, stop reading it."""
        self.add(subscription)
        if self._link is not None:
            self._begin(subscription, self._link)
            try:
                await self._first_tries([subscription])
            except asyncio.CancelledError:
                self._start(self._release(subscription))  # the caller has no Consumption with which to end it
                raise
        return Consumption(
            cancel=lambda: asyncio.shield(self._start(self._cancel(subscription))),
            release=lambda: asyncio.shield(self._start(self._release(subscription))),
        )

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run ``work`` even if its caller is cancelled: a half-ended consumer would keep messages."""
        task = asyncio.get_running_loop().create_task(work)
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
        return task

    def _begin(self, subscription: Subscription, link: Link) -> None:
        subscription.missed = 0
        if subscription.task is not None:
            # The task may pause on an earlier link that was never ready, and would set ``first_try`` after
            # that.
            subscription.task.cancel()
        subscription.first_try.clear()
        if self._second is None or self._second.main is not link:
            self._second = SecondLink(link)
        keep = self._keep_reading(subscription, link, self._second)
        task = asyncio.get_running_loop().create_task(keep, name=f"read {subscription.queue}")
        subscription.task = task
        task.add_done_callback(partial(self._ended, subscription))

    @staticmethod
    def _ended(subscription: Subscription, task: asyncio.Task[None]) -> None:
        if subscription.task is task:
            subscription.first_try.set()  # in case the task was cancelled before its first step

    async def _keep_reading(self, subscription: Subscription, link: Link, second: SecondLink) -> None:
        while True:
            pause = RETRY_SECONDS
            try:
                has_leader = subscription.is_suspect and await self._read_one_by_one(subscription, second)
                if subscription.is_apart:
                    if not has_leader:
                        pause = RETRY_APART_SECONDS
                    async with second.used() as its_link:
                        reason = await self._read(subscription, its_link, second.turn)
                    pause = RETRY_SECONDS  # the queue was read
                else:
                    reason = await self._read(subscription, link, contextlib.nullcontext())
            except NoSecondLink as error:
                reason, pause = str(error), RETRY_TOGETHER_SECONDS
                subscription.is_apart = subscription.is_suspect = False
            except (AMQPError, OSError) as error:
                reason = str(error)
                if subscription.is_bystander:
                    pause = RETRY_SECONDS  # try again before the queue that is to blame
            subscription.first_try.set()
            if not link.is_open or subscription.is_cancelled:
                return
            log.warning("reading interrupted", queue=subscription.queue, reason=reason)
            if subscription.on_interrupted is not None:
                subscription.on_interrupted()
            await asyncio.sleep(pause)

    async def _read_one_by_one(self, subscription: Subscription, second: SecondLink) -> bool:
        """Read each message on a connection of its own, while the broker fails at one of them.

        Return True if the broker has counted or delivered a message, which shows that the queue has a leader.
        Raises NoSecondLink.
        """
        has_leader, tries, in_a_row = False, 0, 0
        while second.main.is_open and tries < MOST_TRIES and in_a_row < 2 * subscription.prefetch:
            while len(subscription.held) >= subscription.prefetch:
                await asyncio.wait(subscription.held, return_when=asyncio.FIRST_COMPLETED)
            link, waiting, is_taken = await second.another(), 0, False
            try:
                with contextlib.suppress(AMQPError, TimeoutError):
                    async with asyncio.timeout(PATIENCE_SECONDS):
                        waiting = await count_messages(link, subscription.queue)
                        is_taken = await self._take_one(subscription, link)
            finally:
                if not is_taken:
                    await link.close()
            has_leader = has_leader or is_taken or waiting > 0
            if is_taken:
                in_a_row += 1
            elif not link.has_crashed:
                break  # the queue is empty, or the broker does not answer
            else:
                if not subscription.is_apart:
                    log.error("the broker fails at a message", queue=subscription.queue)
                subscription.is_apart, in_a_row = True, 0
                tries += not waiting
        subscription.is_suspect = False
        return has_leader

    async def _take_one(self, subscription: Subscription, link: Link) -> bool:
        """Deliver the first message, and keep the link until it is settled. Return False if there is none.

        Raises AMQPError.
        """
        channel = subscription.channel = await link.channel()
        delivery = await channel.get(subscription.queue)
        if delivery is None:
            return False
        settled: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        delivery.settle = partial(_settle, delivery.settle, settled)
        holding = self._start(_hold(link, settled))
        subscription.held.add(holding)
        holding.add_done_callback(subscription.held.discard)
        self._on_delivery(subscription, channel, delivery)
        if subscription.auto_ack:
            delivery.ack()
        return True

    async def _look_again_and_again(self, link: Link) -> None:
        for number in itertools.count(1):
            await asyncio.sleep(self._look_seconds)
            for subscription in list(self._subscriptions):
                if not link.is_open:
                    return  # `lost` is not called for a link that was lost before it was ready
                with contextlib.suppress(AMQPError, TimeoutError):
                    async with asyncio.timeout(self._look_seconds):
                        await self._look(subscription, link)
                        if number % LOOKS_PER_BINDING == 0:
                            await self._rebind(link, subscription.queue)
                # A reader that was cancelled meanwhile keeps its channel for the messages in hand.
                if subscription.missed >= LOOKS and not subscription.is_cancelled:
                    await self._begin_anew(subscription, link)

    @staticmethod
    async def _look(subscription: Subscription, link: Link) -> None:
        """Count a miss if the broker counts no reader of the queue. No answer is not a miss."""
        if subscription.is_reading and await count_readers(link, subscription.queue):
            subscription.missed = 0
        else:
            subscription.missed += 1

    async def _begin_anew(self, subscription: Subscription, link: Link) -> None:
        log.warning("reading begun anew", queue=subscription.queue, reason="the broker knows of no reader")
        if (subscription.is_reading or subscription.is_asked_for) and not subscription.is_classic:
            subscription.is_apart = True  # the queue may have no leader
        if subscription.task is not None:
            subscription.task.cancel()
            await asyncio.wait({subscription.task})
        if subscription.on_interrupted is not None:
            subscription.on_interrupted()
        if self._link is link and not subscription.is_cancelled:
            self._begin(subscription, link)

    async def _read(
        self, subscription: Subscription, link: Link, turn: AbstractAsyncContextManager[None]
    ) -> str:
        """Read until the channel or the consumer ends, and return why it ended. Begin in ``turn``."""
        channel: AmqpChannel | None = None
        try:
            await self._redeclare(link, subscription.queue)
            channel = await link.channel()
            return await self._read_on(channel, subscription, turn)
        finally:
            if link.has_crashed and not subscription.is_classic:
                subscription.is_suspect = subscription.is_asked_for or subscription.is_reading
                if subscription.is_asked_for and not subscription.is_apart:
                    log.warning(
                        "queue read apart, as the broker may have failed at it", queue=subscription.queue
                    )
                    subscription.is_apart = True
            subscription.is_bystander = link.has_crashed and not subscription.is_asked_for
            subscription.is_asked_for = subscription.is_reading = False
            if channel is not None:
                await channel.close()

    async def _read_on(
        self, channel: AmqpChannel, subscription: Subscription, turn: AbstractAsyncContextManager[None]
    ) -> str:
        if subscription.is_cancelled:
            return "cancelled before it began"
        cancelled: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()

        def on_cancel(frame: object) -> None:
            if not cancelled.done():
                cancelled.set_result(RuntimeError("cancelled by the broker: the queue is gone or has moved"))

        channel.raw.add_on_cancel_callback(on_cancel)
        subscription.channel = channel
        async with turn:
            subscription.is_asked_for = not channel.closed.done()  # not if the channel closed before its turn
            subscription.tag = await channel.read(
                subscription.queue,
                partial(self._on_delivery, subscription, channel),
                prefetch=subscription.prefetch,
                auto_ack=subscription.auto_ack,
            )
        subscription.is_reading, subscription.is_asked_for = True, False
        subscription.is_apart = False  # the next time it is read
        subscription.first_try.set()
        await asyncio.wait({channel.closed, cancelled}, return_when=asyncio.FIRST_COMPLETED)
        return str((channel.closed if channel.closed.done() else cancelled).result())

    def _on_delivery(self, subscription: Subscription, channel: AmqpChannel, delivery: Delivery) -> None:
        if subscription.channel is not channel:
            return  # from an earlier channel; the broker delivers it again
        if subscription.is_cancelled:
            delivery.give_back()  # sent before the cancellation
            return
        self.deliveries += 1
        try:
            subscription.on_delivery(delivery)
        except Exception:
            log.exception("a reader's callback failed", queue=subscription.queue)

    async def _cancel(self, subscription: Subscription) -> None:
        if subscription.is_cancelled:
            return  # pika would never answer a second request
        subscription.is_cancelled = True
        self._subscriptions.remove(subscription)
        with contextlib.suppress(AMQPError, TimeoutError):
            async with asyncio.timeout(CANCEL_SECONDS):
                await self._cancel_consumer(subscription)
        if not subscription.is_reading and subscription.task is not None:
            subscription.task.cancel()  # the task waits for the broker's answer to its first request

    @staticmethod
    async def _cancel_consumer(subscription: Subscription) -> None:
        if subscription.task is not None:
            await subscription.first_try.wait()
        channel = subscription.channel
        if channel is not None and channel.raw.is_open and subscription.is_reading:
            await channel.ask(lambda answer: channel.raw.basic_cancel(subscription.tag, answer))

    async def _release(self, subscription: Subscription) -> None:
        await self._cancel(subscription)
        if subscription.task is not None:
            subscription.task.cancel()  # the end of the task closes its channel
            await asyncio.wait({subscription.task})
        for holding in subscription.held:
            holding.cancel()


def _settle(
    settle: Callable[[Outcome], None] | None, settled: "asyncio.Future[None]", outcome: Outcome
) -> None:
    if settle is not None:
        settle(outcome)
    if not settled.done():
        settled.set_result(None)


async def _hold(link: Link, settled: "asyncio.Future[None]") -> None:
    """Keep a connection open until its message is settled, or the connection is lost."""
    try:
        ends: set[asyncio.Future[Any]] = {settled, link.closed}
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await link.close()
