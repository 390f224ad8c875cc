"""A subscriber of events with nothing but pika, written from docs/messages.md and docs/schemas/ alone.

    BROKER_URL=amqp://checkout.warehouse:…@… python subscriber.py 'payment.*.*'

It stores the latest state of every payment in SQLite, and prints a line of JSON for each new event. After a
crash, the line of an event may be printed a second time, but none is missing. After SIGTERM it finishes the
current event.
"""

import json
import os
import signal
import sqlite3
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

import pika
import pika.exceptions
from pika import BasicProperties
from pika.adapters.blocking_connection import BlockingChannel

PREFIX = os.environ.get("CHECKOUT_PREFIX", "checkout")
BROKER_URL = os.environ["BROKER_URL"]
USER = unquote(urlsplit(BROKER_URL).username or "")
NAME = USER.removeprefix(f"{PREFIX}.")
QUEUE = f"{PREFIX}.events.{NAME}"
# The broker has checked the user: the relay publishes the events of all programs.
SENDERS = (f"{PREFIX}.relay",)
TABLES = """
    CREATE TABLE IF NOT EXISTS handled (id TEXT PRIMARY KEY) STRICT;
    CREATE TABLE IF NOT EXISTS payments (
        reference TEXT PRIMARY KEY, sequence INTEGER NOT NULL, state TEXT NOT NULL,
        captured INTEGER NOT NULL, refunded INTEGER NOT NULL, currency TEXT NOT NULL) STRICT;
"""
LONGEST_PAUSE_SECONDS = 5.0


class Unreadable(Exception):
    """The message is not an event that this program understands."""


def attributes_of(properties: BasicProperties) -> dict[str, Any]:
    """Return the attributes of CloudEvents in the headers. Their names have one of two prefixes."""
    headers = properties.headers or {}
    prefixes = ("cloudEvents:", "cloudEvents_")
    return {name[len(prefixes[0]) :]: value for name, value in headers.items() if name.startswith(prefixes)}


class Records:
    """The state of each payment after its latest event, and the ids of all events."""

    def __init__(self, path: str) -> None:
        self._sql = sqlite3.connect(path, isolation_level=None)
        self._sql.execute("PRAGMA journal_mode = WAL")
        self._sql.executescript(TABLES)

    def take(self, properties: BasicProperties, body: bytes, tell: Callable[[dict[str, Any]], None]) -> None:
        """Record an event, and call ``tell`` if it is new. Raises Unreadable.

        ``tell`` is called before the commit. If the commit fails, the event is not recorded. It comes again,
        and is new again.
        """
        attributes = attributes_of(properties)
        try:
            event: dict[str, Any] = json.loads(body)
            id, payment, sequence = str(attributes["id"]), event["payment"], int(attributes["sequence"])
            thing = event["data"]["object"]
            kind = thing["object"]
        except (ValueError, KeyError, TypeError) as error:
            raise Unreadable(f"{properties.type}: {error!r}") from error
        self._sql.execute("BEGIN IMMEDIATE")
        try:
            is_new = self._sql.execute("INSERT OR IGNORE INTO handled VALUES (?)", (id,)).rowcount
            if is_new and kind == "payment":
                self._follow(payment, sequence, thing)
            if is_new:
                tell(event)
        except BaseException:
            self._sql.execute("ROLLBACK")
            raise
        self._sql.execute("COMMIT")

    def _follow(self, payment: str, sequence: int, thing: dict[str, Any]) -> None:
        """Store the payment's state, unless the state of a later event is stored already.

        Events may arrive in another order than they happened. Each has the whole payment, so the latest event
        is right, and an older one is skipped.
        """
        amounts = thing["amounts"]
        self._sql.execute(
            "INSERT INTO payments VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (reference) DO UPDATE SET "
            "sequence = excluded.sequence, state = excluded.state, captured = excluded.captured, "
            "refunded = excluded.refunded WHERE excluded.sequence > payments.sequence",
            (payment, sequence, thing["state"], amounts["captured"], amounts["refunded"], thing["currency"]),
        )


def connected(parameters: pika.ConnectionParameters) -> pika.BlockingConnection:
    """Return a new connection. Raises AMQPError or OSError."""
    try:
        return pika.BlockingConnection(parameters)
    except ValueError as error:
        # pika raises this if the broker, or a proxy in front of it, resets a connection that is being made.
        raise pika.exceptions.AMQPConnectionError(str(error)) from error


class Subscriber:
    """The program on one connection."""

    def __init__(self, records: Records, patterns: Sequence[str]) -> None:
        self._records = records
        self._patterns = patterns
        self._is_ended = False
        self._channel: BlockingChannel | None = None

    def run(self) -> None:
        """Listen until SIGTERM. After a lost connection, connect again. Unfinished events come again."""
        pause = 0.1
        while not self._is_ended:
            try:
                self._listen()
                pause = 0.1
            except (pika.exceptions.AMQPError, OSError) as error:
                print(f"connection lost: {error!r}", file=sys.stderr, flush=True)
                time.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    def end(self, *_signal: object) -> None:
        """Stop after the current event."""
        self._is_ended = True
        if self._channel is not None and self._channel.is_open:
            self._channel.connection.add_callback_threadsafe(self._channel.stop_consuming)

    def _listen(self) -> None:
        parameters = pika.URLParameters(BROKER_URL)
        parameters.heartbeat = 10
        with connected(parameters) as connection:
            channel = self._channel = connection.channel()
            channel.queue_declare(QUEUE, passive=True)  # it exists, and its user may not declare one
            for pattern in self._patterns:
                channel.queue_bind(QUEUE, f"{PREFIX}.events", pattern)
            channel.basic_qos(prefetch_count=20)
            channel.basic_consume(QUEUE, self._deal_with)
            print("ready", file=sys.stderr, flush=True)
            if not self._is_ended:
                channel.start_consuming()
            channel.close()  # sends the last acknowledgement first

    def _deal_with(
        self,
        channel: BlockingChannel,
        method: pika.spec.Basic.Deliver,
        properties: BasicProperties,
        body: bytes,
    ) -> None:
        tag = method.delivery_tag or 0
        if properties.user_id not in SENDERS:
            print(f"from {properties.user_id}: {properties.type}", file=sys.stderr, flush=True)
            channel.basic_reject(tag, requeue=False)  # the broker makes it a dead letter
            return
        try:
            self._records.take(properties, body, lambda event: print(json.dumps(event), flush=True))
        except Unreadable as error:
            print(f"dead letter: {error}", file=sys.stderr, flush=True)
            channel.basic_reject(tag, requeue=False)
            return
        channel.basic_ack(tag)  # last: after the commit


if __name__ == "__main__":
    subscriber = Subscriber(
        Records(os.environ.get("DATABASE", "events.sqlite3")), sys.argv[1:] or ["payment.*.*"]
    )
    signal.signal(signal.SIGTERM, subscriber.end)
    signal.signal(signal.SIGINT, subscriber.end)
    subscriber.run()
