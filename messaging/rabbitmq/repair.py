"""Mend the differences of a RabbitMQ over AMQP, with the rights of a user who may configure everything."""

from collections.abc import Iterable, Iterator

import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPError, ChannelClosedByBroker

from messaging.errors import BrokerUnavailable
from messaging.inspection.differences import (
    Bind,
    Bound,
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


class NotMended(Exception):
    """The difference is still there; the text is the reason."""


def mend(url: str, prefix: str, found: Iterable[Difference]) -> Iterator[tuple[Difference, str]]:
    """Mend the differences one by one. Yield each with the reason why it is still there, empty if it is not.

    Raises BrokerUnavailable.
    """
    try:
        connection = pika.BlockingConnection(connection_parameters(url, f"{prefix}.repair"))
    except (AMQPError, OSError) as error:
        raise BrokerUnavailable(repr(error)) from error
    with connection:
        for difference in found:
            try:
                reason = _left(connection.channel(), difference)
            except AMQPError as error:
                raise BrokerUnavailable(f"the connection was lost: {error!r}") from error
            yield difference, reason


def _left(channel: BlockingChannel, difference: Difference) -> str:
    """Mend a difference on a channel of its own, which a refusal closes. Return the reason if it is left."""
    try:
        _mend(channel, difference)
    except NotMended as reason:
        return str(reason)
    except ChannelClosedByBroker as refusal:
        return refusal.reply_text
    finally:
        if channel.is_open:
            channel.close()
    return ""


def _mend(channel: BlockingChannel, difference: Difference) -> None:
    match difference.remedy:
        case Make(Exchange() as exchange):
            channel.exchange_declare(exchange.name, exchange.kind, durable=True)
        case Make(Queue() as queue):
            _make(channel, queue)
        case MakeExchangeAnew(exchange, bindings):
            channel.exchange_delete(exchange.name)
            channel.exchange_declare(exchange.name, exchange.kind, durable=True)
            for bound in bindings:
                channel.queue_bind(bound.target, bound.exchange, bound.key, arguments=dict(bound.arguments))
        case MakeQueueAnew(queue):
            _make_anew(channel, queue)
        case Bind(bound):
            channel.queue_bind(bound.target, bound.exchange, bound.key)
        case Unbind(bound):
            _unbind(channel, bound)
        case DeleteQueue(name):
            _delete(channel, name)
        case DeleteExchange(name):
            channel.exchange_delete(name, if_unused=True)


def _make(channel: BlockingChannel, queue: Queue) -> None:
    channel.queue_declare(queue.name, durable=True, arguments=dict(queue.arguments))
    for binding in queue.bindings:
        channel.queue_bind(queue.name, binding.exchange, binding.key)


def _make_anew(channel: BlockingChannel, queue: Queue) -> None:
    """Unbind the queue before the look at it, so that no message arrives that would be deleted with it.

    What is published meanwhile is returned, and its sender repeats it.
    """
    for binding in queue.bindings:
        channel.queue_unbind(queue.name, binding.exchange, binding.key)
    try:
        _delete(channel, queue.name)
    except (NotMended, ChannelClosedByBroker):
        again = channel.connection.channel()
        for binding in queue.bindings:
            again.queue_bind(queue.name, binding.exchange, binding.key)
        again.close()
        raise
    _make(channel, queue)


def _delete(channel: BlockingChannel, name: str) -> None:
    """Delete a queue that is idle. Quorum queues do not support the conditions of AMQP's own method."""
    found = channel.queue_declare(name, passive=True).method
    if found.message_count or found.consumer_count:
        raise NotMended(
            f"{found.message_count} messages are in it, and {found.consumer_count} readers read it"
        )
    channel.queue_delete(name)


def _unbind(channel: BlockingChannel, bound: Bound) -> None:
    arguments = dict(bound.arguments)
    if bound.is_queue:
        channel.queue_unbind(bound.target, bound.exchange, bound.key, arguments=arguments)
    else:
        channel.exchange_unbind(bound.target, bound.exchange, bound.key, arguments=arguments)
