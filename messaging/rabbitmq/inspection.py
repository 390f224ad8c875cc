"""An inspection of a RabbitMQ over AMQP, with the rights of any user: it creates and consumes nothing."""

import logging
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import (
    AMQPError,
    ChannelClosedByBroker,
    ProbableAccessDeniedError,
    ProbableAuthenticationError,
)

from messaging.broker import user_of
from messaging.inspection import BrokerFacts, QueueFacts, Trouble
from messaging.rabbitmq.connection.addresses import connection_parameters, nodes_of
from messaging.topology import GROUP_SIZE, Exchange, Queue, Topology

NOT_FOUND = 404
MISSING = "missing"
_one_at_a_time = threading.Lock()


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep pika from logging failures and refusals, which are part of the result here."""
    logger = logging.getLogger("pika")
    with _one_at_a_time:  # two threads would otherwise restore each other's level
        before = logger.level
        logger.setLevel(logging.CRITICAL + 1)
        try:
            yield
        finally:
            logger.setLevel(before)


@_quietly()
def inspect(url: str, topology: Topology, queues: Iterable[Queue]) -> BrokerFacts:
    """Return which exchanges and queues this broker has. If it cannot be reached, ``fault`` says why."""
    try:
        user, place = user_of(url), ", ".join(map(str, nodes_of(url)))
        parameters = connection_parameters(url, f"{topology.prefix}.inspection")
    except ValueError as error:
        return BrokerFacts(fault=_plain(error), trouble=Trouble.ADDRESS)
    try:
        connection = pika.BlockingConnection(parameters)
    except ProbableAuthenticationError:
        fault = f"{user} was refused: another password, or no such user"
        return BrokerFacts(user=user, fault=fault, trouble=Trouble.LOGIN)
    except ProbableAccessDeniedError:
        fault = f"{user} may not use this virtual host, or there is none"
        return BrokerFacts(user=user, fault=fault, trouble=Trouble.LOGIN)
    except (AMQPError, OSError, ValueError) as error:
        told = _plain(error)
        fault = f"no connection to {place}{': ' if told else ''}{told}"
        trouble = Trouble.TLS if isinstance(error, ssl.SSLError) else Trouble.AWAY
        return BrokerFacts(user=user, fault=fault, trouble=trouble)
    try:
        return BrokerFacts(
            user=user,
            version=_version(connection),
            exchanges={each.name: _exchange_error(connection, each) for each in topology.exchanges},
            queues=tuple(_facts_of(connection, queue) for queue in queues),
        )
    except (AMQPError, OSError) as error:
        return BrokerFacts(user=user, fault=f"the connection was lost: {_plain(error)}")
    finally:
        if connection.is_open:
            connection.close()


def _version(connection: pika.BlockingConnection) -> str:
    # A blocking connection lacks this property, which the connection inside it has.
    wrapped: Any = vars(connection)["_impl"]
    properties: dict[str, Any] = wrapped.server_properties or {}
    version = properties.get("version", "")
    return version.decode() if isinstance(version, bytes) else str(version)


def _exchange_error(connection: pika.BlockingConnection, exchange: Exchange) -> str:
    """Return how an exchange differs from the topology.

    A passive declaration only shows that it exists. An active one also compares it, and needs the right to
    configure it.
    """
    fault = _ask(
        connection, lambda channel: channel.exchange_declare(exchange.name, exchange.kind, passive=True)
    )
    if isinstance(fault, str):
        return fault
    found = _ask(
        connection, lambda channel: channel.exchange_declare(exchange.name, exchange.kind, durable=True)
    )
    return found if isinstance(found, str) and not _is_refused(found) else ""


def _facts_of(connection: pika.BlockingConnection, queue: Queue) -> QueueFacts:
    answer = _ask(connection, lambda channel: channel.queue_declare(queue.name, passive=True))
    if isinstance(answer, str):
        return QueueFacts(queue.name, exists=answer != MISSING, fault=answer)
    # The queue exists, so the declaration creates nothing. RabbitMQ compares its arguments.
    arguments = dict(queue.arguments)
    compared = _ask(
        connection, lambda channel: channel.queue_declare(queue.name, durable=True, arguments=arguments)
    )
    is_different = isinstance(compared, str) and not _is_refused(compared) and GROUP_SIZE not in compared
    fault = compared if is_different else ""
    return QueueFacts(queue.name, True, answer.method.message_count, answer.method.consumer_count, fault)


def _ask(connection: pika.BlockingConnection, question: Callable[[BlockingChannel], Any]) -> Any:
    """Ask on a channel of its own, as a refusal closes it. Return the answer, or the refusal as text."""
    channel = connection.channel()
    try:
        answer = question(channel)
    except ChannelClosedByBroker as refusal:
        return MISSING if refusal.reply_code == NOT_FOUND else refusal.reply_text
    channel.close()
    return answer


def _is_refused(text: str) -> bool:
    return text.startswith("ACCESS_REFUSED")


def _plain(error: BaseException) -> str:
    """Return an error as one line; empty if it has no text, which is so for some of pika's errors."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror[:300]
    return " ".join(str(each) for each in error.args if str(each))[:300]
