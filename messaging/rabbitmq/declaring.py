"""Declarations of the topology on a connection."""

import asyncio
import contextlib
from collections.abc import Collection, Iterable

import structlog
from pika.exceptions import AMQPError, ChannelClosedByBroker

from messaging.rabbitmq.channel import AmqpChannel
from messaging.rabbitmq.connection.link import Link, on_disposable_channel
from messaging.topology import GROUP_SIZE, Exchange, Queue

log = structlog.get_logger(__name__)

# A node answers within this time about a queue that it has. If the node is down, the others answer only after
# a minute (RabbitMQ 4.0, measured), and refuse messages to the queue meanwhile. There are two attempts,
# because the other nodes may be slow just after one was lost. A single address leads to a single node, which
# gets more time, or to a load balancer in front of several.
HOME_SECONDS = 0.5
ONLY_HOME_SECONDS = 2.0
HOME_ATTEMPTS = 2
NOT_FOUND = 404


async def declare_exchanges(link: Link, exchanges: Iterable[Exchange]) -> None:
    """Declare durable exchanges, unless all exist: few users may declare them. Raises AMQPError."""
    every = tuple(exchanges)

    async def work(channel: AmqpChannel) -> None:
        for exchange in every:
            await _declare_exchange(channel, exchange, is_passive=False)

    async def look(channel: AmqpChannel) -> None:
        for exchange in every:
            await _declare_exchange(channel, exchange, is_passive=True)

    try:
        await on_disposable_channel(link, look)
    except AMQPError:
        await on_disposable_channel(link, work)


async def _declare_exchange(channel: AmqpChannel, exchange: Exchange, *, is_passive: bool) -> None:
    await channel.ask(
        lambda answer: channel.raw.exchange_declare(
            exchange.name, exchange.kind, durable=True, passive=is_passive, callback=answer
        )
    )


async def declare_queue(link: Link, queue: Queue) -> None:
    """Declare a durable queue with its bindings; a common queue only if it is missing. Raises AMQPError."""
    bindings = [(binding.exchange, binding.key) for binding in queue.bindings]

    async def work(channel: AmqpChannel) -> None:
        await _declare_queue(channel, queue)
        await bind(channel)

    async def bind(channel: AmqpChannel) -> None:
        await _bind_all(channel, queue.name, bindings)

    async def look(channel: AmqpChannel) -> None:
        await channel.ask(lambda answer: channel.raw.queue_declare(queue.name, passive=True, callback=answer))

    if queue.is_common:
        with contextlib.suppress(AMQPError):
            await on_disposable_channel(link, look)
            return
    try:
        await on_disposable_channel(link, work)
    except AMQPError as error:
        # The number of copies only counts when a queue is made. Operators may change it later: the queue is
        # used as it is.
        if GROUP_SIZE not in str(error):
            raise
        await on_disposable_channel(link, bind)


async def _declare_queue(channel: AmqpChannel, queue: Queue) -> None:
    await channel.ask(
        lambda answer: channel.raw.queue_declare(
            queue.name, durable=True, arguments=dict(queue.arguments), callback=answer
        )
    )


class Stopped(AMQPError):
    """A queue was stopped with its node. Until the node is back, it can be neither declared nor deleted."""


async def declare_own_queue(link: Link, queue: Queue, home_seconds: float) -> bool:
    """Declare a queue that lives on one node, and whose messages may be lost.

    If that node does not answer in ``home_seconds``, delete the queue, declare it on another node, and return
    True. Raises Stopped if the node has stopped the queue, and AMQPError.
    """
    is_lost = not await _is_answered(link, queue, home_seconds)
    if is_lost:
        # Its messages are lost with its node. It would keep messages from arriving until the node is back.
        log.warning("queue made anew, because its node does not answer", queue=queue.name)
        await delete_queue(link, queue.name)
    await declare_queue(link, queue)
    return is_lost


async def _is_answered(link: Link, queue: Queue, seconds: float) -> bool:
    """Return True if the node of the queue answers its declaration. Raises Stopped and AMQPError."""

    async def work(channel: AmqpChannel) -> None:
        try:
            await _declare_queue(channel, queue)
        except AMQPError as error:
            # The declaration makes a queue that does not exist. If the broker answers "not found", the queue
            # exists on a node that has been stopped in order (RabbitMQ 4.0, ``rabbit_amqqueue:with``). To
            # delete it would make the broker end the connection (541,
            # ``rabbit_classic_queue:delete_crashed``).
            if _was_not_found(channel):
                raise Stopped(f"the queue {queue.name} was stopped with its node") from error
            raise

    for _ in range(HOME_ATTEMPTS):
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await on_disposable_channel(link, work)
            return True
    return False


def _was_not_found(channel: AmqpChannel) -> bool:
    """Return True if the broker closed the channel because something was not found."""
    reason = channel.closed.result() if channel.closed.done() else None
    return isinstance(reason, ChannelClosedByBroker) and reason.reply_code == NOT_FOUND


async def count_readers(link: Link, queue: str) -> int:
    """Return how many consumers the broker counts; 0 if there is no such queue. Raises AMQPError.

    While the queue has no leader, the broker counts none (RabbitMQ 4.0, ``rabbit_quorum_queue:stat``).
    """
    readers = 0

    async def look(channel: AmqpChannel) -> None:
        nonlocal readers
        asked = channel.ask(lambda answer: channel.raw.queue_declare(queue, passive=True, callback=answer))
        try:
            readers = (await asked).method.consumer_count
        except AMQPError:
            if not _was_not_found(channel):
                raise

    await on_disposable_channel(link, look)
    return readers


async def count_messages(link: Link, queue: str) -> int:
    """Return how many messages wait in a queue; 0 also while it has no leader. Raises AMQPError."""
    waiting = 0

    async def look(channel: AmqpChannel) -> None:
        nonlocal waiting
        asked = channel.ask(lambda answer: channel.raw.queue_declare(queue, passive=True, callback=answer))
        waiting = (await asked).method.message_count

    await on_disposable_channel(link, look)
    return waiting


async def bind_all(link: Link, queue: str, bindings: Collection[tuple[str, str]]) -> None:
    """Bind a queue to each exchange with its key. Raises AMQPError."""
    await on_disposable_channel(link, lambda channel: _bind_all(channel, queue, list(bindings)))


async def _bind_all(channel: AmqpChannel, queue: str, bindings: list[tuple[str, str]]) -> None:
    """Bind without a round trip for each binding: the broker answers the last one after all others."""
    if not bindings:
        return
    for exchange, key in bindings[:-1]:
        channel.raw.queue_bind(queue, exchange, key)
    await _bind(channel, queue, *bindings[-1])


async def unbind_all(link: Link, queue: str, bindings: Collection[tuple[str, str]]) -> None:
    """Unbind a queue from each exchange with its key. Raises AMQPError."""

    async def work(channel: AmqpChannel) -> None:
        *others, last = bindings
        for exchange, key in others:
            channel.raw.queue_unbind(queue, exchange, key)
        await _unbind(channel, queue, *last)

    if bindings:
        await on_disposable_channel(link, work)


async def change_binding(link: Link, queue: str, exchange: str, key: str, *, is_bound: bool) -> None:
    """Bind or unbind one routing key. Raises AMQPError."""

    async def work(channel: AmqpChannel) -> None:
        if is_bound:
            await _bind(channel, queue, exchange, key)
        else:
            await _unbind(channel, queue, exchange, key)

    await on_disposable_channel(link, work)


async def _bind(channel: AmqpChannel, queue: str, exchange: str, key: str) -> None:
    await channel.ask(lambda answer: channel.raw.queue_bind(queue, exchange, key, callback=answer))


async def _unbind(channel: AmqpChannel, queue: str, exchange: str, key: str) -> None:
    await channel.ask(lambda answer: channel.raw.queue_unbind(queue, exchange, key, callback=answer))


async def delete_queue(link: Link, queue: str) -> None:
    """Delete a queue; it is no error if the queue does not exist. Raises AMQPError."""

    async def work(channel: AmqpChannel) -> None:
        await channel.ask(lambda answer: channel.raw.queue_delete(queue, callback=answer))

    await on_disposable_channel(link, work)
