"""A program with one service's rights on RabbitMQ, which sends messages that disturb readers or broker.

`python -m tests.hostile.intruder NAME URL` makes one attack until it is ended, and prints the counts of
answers.
"""

import itertools
import json
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import unquote, urlsplit

import pika
from pika.exceptions import AMQPError

from tests.hostile.rogue import NAME, PARTICIPANT
from tests.support.amqp10 import TOO_LONG, Amqp10, Refused

EVENTS, REPLIES, COMMANDS = "checkout.events", "checkout.replies", "checkout.commands"
# The routing keys that the program may use, or would like to.
TARGETS = (
    (REPLIES, "checkout.replies.saga"),
    (COMMANDS, "payments"),
    (COMMANDS, "checkout"),
    (EVENTS, "payment.captured.demo"),
)
# Each message that ends its readers' connections costs them a moment.
POISON_PAUSE_SECONDS = 5.0
PAUSE_SECONDS = 0.2
# Our names, some of which exist, while others would be new.
NAMES = ("checkout.commands.payments", "checkout.commands.loyalty", "checkout.dead", "checkout.parked")

answers: Counter[str] = Counter()


def poison(url: str) -> None:
    """Send messages of AMQP 1.0 that AMQP 0.9.1 cannot express: each delivery ends a reader's connection."""
    for exchange, key in itertools.cycle(TARGETS):
        try:
            with Amqp10(url) as sender:
                sender.publish(exchange, key, type=TOO_LONG, message_id=f"{NAME}-{uuid.uuid4()}")
            answers["accepted"] += 1
        except (Refused, OSError):
            answers["refused"] += 1
        _tell(POISON_PAUSE_SECONDS)


def headers(url: str) -> None:
    """Send messages whose headers name other queues, forge a history, or are as large as possible."""
    forged: tuple[dict[str, Any], ...] = (
        {"CC": [key for _, key in TARGETS]},
        {"BCC": ["checkout", "orders", "ledger", "checkout.replies.saga"]},
        {"x-death": [{"queue": NAMES[0], "reason": "rejected", "count": 1}], "x-delivery-count": 19},
        {"traceparent": "x" * 60_000},
        {f"header-{number}": {"deep": {"deeper": [None] * 100}} for number in range(200)},
    )
    for (exchange, key), table in zip(itertools.cycle(TARGETS), itertools.cycle(forged), strict=False):
        _try(url, lambda channel: _publish(channel, url, exchange, key, table))  # noqa: B023 (called at once)
        _tell(PAUSE_SECONDS)


def squatting(url: str) -> None:
    """Declare, bind, read and delete queues and exchanges under our names."""
    for name, act in itertools.product(itertools.cycle(NAMES), _acts()):
        _try(url, lambda channel: act(channel, name))  # noqa: B023 (called at once)
        _tell(PAUSE_SECONDS)


ATTACKS: dict[str, Callable[[str], None]] = {
    "undeliverable messages": poison,
    "forged headers": headers,
    "squatting": squatting,
}
Channel = pika.adapters.blocking_connection.BlockingChannel


def _acts() -> Iterator[Callable[[Channel, str], object]]:
    yield lambda channel, name: channel.queue_declare(name, durable=False)
    yield lambda channel, name: channel.queue_declare(name, exclusive=True)
    yield lambda channel, name: channel.queue_bind(name, EVENTS, "#")
    yield lambda channel, name: channel.queue_purge(name)
    yield lambda channel, name: channel.queue_delete(name)
    yield lambda channel, name: channel.basic_get(name)
    yield lambda channel, name: channel.exchange_declare(name, "fanout")
    yield lambda channel, _name: channel.exchange_delete(COMMANDS)


def _publish(channel: Channel, url: str, exchange: str, key: str, table: dict[str, Any]) -> None:
    channel.confirm_delivery()
    properties = pika.BasicProperties(
        message_id=f"{NAME}-{uuid.uuid4()}",
        type="reply",
        content_type="application/json",
        app_id=PARTICIPANT,
        user_id=unquote(urlsplit(url).username or ""),
        headers=table,
    )
    channel.basic_publish(exchange, key, b"{}", properties)


def _try(url: str, act: Callable[[Channel], object]) -> None:
    """Act on a new connection, which the broker may end."""
    try:
        connection = pika.BlockingConnection(pika.URLParameters(url))
        try:
            act(connection.channel())
            answers["accepted"] += 1
        finally:
            if connection.is_open:
                connection.close()
    except (AMQPError, OSError):
        answers["refused"] += 1


def _tell(pause_seconds: float) -> None:
    print(json.dumps(answers), flush=True)
    time.sleep(pause_seconds)


if __name__ == "__main__":
    print("{}", flush=True)  # the attack has begun; the first answer may take long
    ATTACKS[sys.argv[1]](sys.argv[2])
