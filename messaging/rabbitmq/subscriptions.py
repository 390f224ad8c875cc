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
# Each try of a queue that is read apart may be a new connection, and a crash in the broker's log.
RETRY_APART_SECONDS = 5.0
# The same if there can be no second connection: the next try may end the common one, with all that is read.
RETRY_TOGETHER_SECONDS = 30.0
# The tries without a pause of a queue that seems to be empty. The broker fails at one without a leader, too,
# and may not count yet what it has taken back from the connection before.
MOST_TRIES = 5
# Its node may stop between the declaration of a process's own queue and its reading.
OWN_TRIES = 2
# The time for which a new connection waits for each kind of thing that it can do without at first. About a
# queue without a majority of its nodes, the broker does not answer for 15 seconds (RabbitMQ 4.0, measured).
PATIENCE_SECONDS = 2.0
# The time for the broker's answer to the end of a reading. What it delivers later is given back.
CANCEL_SECONDS = 2.0
# A broker may lose a consumer and not tell its client, or leave a question about one queue unanswered, while
# all else on the connection goes on. It also counts no consumers of a queue that is electing a leader, for
# which one look would not be enough.
LOOK_SECONDS = 10.0
LOOKS = 3
# Each cluster member takes part in a binding, even one that is there already, so not every look repeats them.
LOOKS_PER_BINDING = 6


@dataclass(eq=False)
class Subscription:
    """A queue to read. ``on_interrupted`` is called when reading stops although the connection lives.

    If ``is_apart``, the next try to read it is on the second connection. That is not for a queue that
    ``is_classic``, for which the broker never ends a connection. It ``is_bystander`` if the broker ended a
    connection before it was asked for this queue on it. It ``is_suspect`` if the broker ended the connection
    on which it was read: perhaps it cannot deliver the first message.
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

    Every ``look_seconds`` the broker is asked if it knows that a queue is read. If it has not known it LOOKS
    times in a row, the queue is read anew. At every LOOKS_PER_BINDING-th look, ``rebind`` binds it again,
    since a binding that an operator has removed, or that went with its exchange, would be missed by nobody.

    The broker ends the whole connection on which a quorum queue without a leader is to be read. The quorum
    queues that were asked for just then, or have to be read anew, are read on a second connection, which
    they share and on which they are asked for one after another. Once one of them is read, its next reading
    is on the common connection again. If there can be no second connection, the next try is, too.

    The broker also ends the connection if it cannot deliver a message, as some of AMQP 1.0 to a client of
    AMQP 0.9.1, again at each delivery until the queue's limit. As all that is on its way to a reader counts
    as delivered then, other messages would be given up, too. So what is first in a quorum queue that was read
    when a connection ended in this way is read with a connection for each message, until the broker has given
    up that one.
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
        """Read all queues on a new link, the process's ``own`` first.

        Raises AMQPConnectionError if that one cannot be read. The link is of no use then, and the broker
        would count whatever other queues had delivered on it as tried in vain.
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
        """Wait for the first tries, except for queues about which the broker does not answer."""
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
        """Read this queue from the next link on."""
        self._subscriptions.append(subscription)

    async def consume(self, subscription: Subscription) -> Consumption:
        """Read this queue from now on, or as soon as that is possible. If cancelled, stop reading it."""
        self.add(subscription)
        if self._link is not None:
            self._begin(subscription, self._link)
            try:
                await self._first_tries([subscription])
            except asyncio.CancelledError:
                self._start(self._release(subscription))  # the caller has no Consumption to end it with
                raise
        return Consumption(
            cancel=lambda: asyncio.shield(self._start(self._cancel(subscription))),
            release=lambda: asyncio.shield(self._start(self._release(subscription))),
        )

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Do ``work`` even if its caller is cancelled. A half-ended consumer would keep messages."""
        task = asyncio.get_running_loop().create_task(work)
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
        return task

    def _begin(self, subscription: Subscription, link: Link) -> None:
        subscription.missed = 0
        if subscription.task is not None:
            # It may pause on an earlier link that was never ready, and would set ``first_try`` after that.
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
                    pause = RETRY_SECONDS  # it has been read
                else:
                    reason = await self._read(subscription, link, contextlib.nullcontext())
            except NoSecondLink as error:
                reason, pause = str(error), RETRY_TOGETHER_SECONDS
                subscription.is_apart = subscription.is_suspect = False
            except (AMQPError, OSError) as error:
                reason = str(error)
                if subscription.is_bystander:
                    pause = RETRY_SECONDS  # before the queue that is to blame is tried again
            subscription.first_try.set()
            if not link.is_open or subscription.is_cancelled:
                return
            log.warning("reading interrupted", queue=subscription.queue, reason=reason)
            if subscription.on_interrupted is not None:
                subscription.on_interrupted()
            await asyncio.sleep(pause)

    async def _read_one_by_one(self, subscription: Subscription, second: SecondLink) -> bool:
        """Read messages, each on a connection of its own, while the broker fails at one of the queue.

        Return True if the broker has counted or delivered any, so that the queue has a leader. Raises
        NoSecondLink.
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
                break  # it is empty, or gives no answer
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
                    return  # `lost` is not called if it was lost before all was prepared
                with contextlib.suppress(AMQPError, TimeoutError):
                    async with asyncio.timeout(self._look_seconds):
                        await self._look(subscription, link)
                        if number % LOOKS_PER_BINDING == 0:
                            await self._rebind(link, subscription.queue)
                # One that was cancelled meanwhile keeps its channel for what it is handling.
                if subscription.missed >= LOOKS and not subscription.is_cancelled:
                    await self._begin_anew(subscription, link)

    @staticmethod
    async def _look(subscription: Subscription, link: Link) -> None:
        """Count a miss if the broker says that the queue is not read. A missing answer does not count."""
        if subscription.is_reading and await count_readers(link, subscription.queue):
            subscription.missed = 0
        else:
            subscription.missed += 1

    async def _begin_anew(self, subscription: Subscription, link: Link) -> None:
        log.warning("reading begun anew", queue=subscription.queue, reason="the broker knows of no reader")
        if (subscription.is_reading or subscription.is_asked_for) and not subscription.is_classic:
            subscription.is_apart = True  # there may be no leader
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
        """Read until the channel or the consumer ends, and return why it ended. Ask for it in ``turn``."""
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
            subscription.is_asked_for = not channel.closed.done()  # while it waited for its turn
            subscription.tag = await channel.read(
                subscription.queue,
                partial(self._on_delivery, subscription, channel),
                prefetch=subscription.prefetch,
                auto_ack=subscription.auto_ack,
            )
        subscription.is_reading, subscription.is_asked_for = True, False
        subscription.is_apart = False  # from the next reading on
        subscription.first_try.set()
        await asyncio.wait({channel.closed, cancelled}, return_when=asyncio.FIRST_COMPLETED)
        return str((channel.closed if channel.closed.done() else cancelled).result())

    def _on_delivery(self, subscription: Subscription, channel: AmqpChannel, delivery: Delivery) -> None:
        if subscription.channel is not channel:
            return  # from an earlier channel; the broker delivers it again
        if subscription.is_cancelled:
            delivery.give_back()  # it was sent before the cancellation
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
            subscription.task.cancel()  # it waits for the broker's answer to its first question

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
            subscription.task.cancel()  # which closes its channel
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
    """Keep a connection until its message is settled, or it is lost."""
    try:
        ends: set[asyncio.Future[Any]] = {settled, link.closed}
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await link.close()
