"""Mend the differences of a RabbitMQ over AMQP, with the rights of a user who may configure everything."""

from collections.abc import Callable, Iterable, Iterator

import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPError, ChannelClosedByBroker

from messaging.errors import BrokerUnavailable, NotMended
from messaging.inspection.differences import (
    Bind,
    DeleteExchange,
    DeleteQueue,
    Difference,
    Make,
    MakeExchangeAnew,
    MakeQueueAnew,
    Unbind,
)
from messaging.rabbitmq.connection.addresses import connection_parameters
from messaging.topology import Exchange, Queue

# Returns why a queue may not be deleted, according to the broker's administration; empty if it may.
Use = Callable[[str], str]


def mend(url: str, prefix: str, found: Iterable[Difference], use: Use) -> Iterator[tuple[Difference, str]]:
    """Mend the differences one by one. Yield each with the reason why it remains, empty if it is mended.

    Raises BrokerUnavailable, which names the difference that may be mended in part.
    """
    try:
        connection = pika.BlockingConnection(connection_parameters(url, f"{prefix}.repair"))
    except (AMQPError, OSError) as error:
        raise BrokerUnavailable(repr(error)) from error
    with connection:
        for difference in found:
            try:
                reason = _left(connection.channel(), difference, use)
            except AMQPError as error:
                where = f"{difference.text} ({difference.remedy})"
                raise BrokerUnavailable(f"the connection was lost at: {where}: {error!r}") from error
            yield difference, reason


def _left(channel: BlockingChannel, difference: Difference, use: Use) -> str:
    """Mend a difference on a channel of its own, as a refusal closes it. Return the reason if it remains."""
    try:
        _mend(channel, difference, use)
    except NotMended as reason:
        return str(reason)
    except ChannelClosedByBroker as refusal:
        return refusal.reply_text
    finally:
        if channel.is_open:
            channel.close()
    return ""


def _mend(channel: BlockingChannel, difference: Difference, use: Use) -> None:
    match difference.remedy:
        case Make(Exchange() as exchange):
            channel.exchange_declare(exchange.name, exchange.kind, durable=True)
        case Make(Queue() as queue):
            _make(channel, queue)
        case MakeExchangeAnew(exchange):
            channel.exchange_delete(exchange.name)
            channel.exchange_declare(exchange.name, exchange.kind, durable=True)
        case MakeQueueAnew(queue):
            _make_anew(channel, queue, use)
        case Bind(bound):
            bind = channel.queue_bind if bound.is_queue else channel.exchange_bind
            bind(bound.target, bound.exchange, bound.key, arguments=dict(bound.arguments))
        case Unbind(bound):
            unbind = channel.queue_unbind if bound.is_queue else channel.exchange_unbind
            unbind(bound.target, bound.exchange, bound.key, arguments=dict(bound.arguments))
        case DeleteQueue(name):
            _delete(channel, name, use)
        case DeleteExchange(name):
            channel.exchange_delete(name, if_unused=True)


def _make(channel: BlockingChannel, queue: Queue) -> None:
    channel.queue_declare(queue.name, durable=True, arguments=dict(queue.arguments))
    for binding in queue.bindings:
        channel.queue_bind(queue.name, binding.exchange, binding.key)


def _make_anew(channel: BlockingChannel, queue: Queue, use: Use) -> None:
    """Delete and declare a queue. It is unbound before the check that it is empty, so that nothing is lost.

    Commands and replies that are published meanwhile are returned, and their senders repeat them. Events are
    not repeated: the sweep of webhooks finds those that its queue has missed, and the queues of other
    listeners do not get them.
    """
    for binding in queue.bindings:
        channel.queue_unbind(queue.name, binding.exchange, binding.key)
    try:
        _delete(channel, queue.name, use)
    except (NotMended, ChannelClosedByBroker):
        again = channel.connection.channel()
        for binding in queue.bindings:
            again.queue_bind(queue.name, binding.exchange, binding.key)
        again.close()
        raise
    _make(channel, queue)


def _delete(channel: BlockingChannel, name: str, use: Use) -> None:
    """Delete an idle queue. Quorum queues do not support the conditions of AMQP's own method.

    A quorum queue without a leader looks empty over AMQP, while the broker's administration knows its length.
    But the administration's figures are some seconds old, so both are asked.
    """
    found = channel.queue_declare(name, passive=True).method
    if found.message_count or found.consumer_count:
        raise NotMended(
            f"{found.message_count} messages are in it, and {found.consumer_count} readers read it"
        )
    if reason := use(name):
        raise NotMended(reason)
    channel.queue_delete(name)
