"""An orders service with nothing but pika, written from docs/messages.md and docs/schemas/ alone.

    BROKER_URL=amqp://… SECRET_KEY=… python service.py

Prints "ready" once it reads its queue. After SIGTERM it finishes the command that it has begun.
"""

import json
import os
import signal
import sys
import time
import uuid
from urllib.parse import unquote, urlsplit

import pika
import pika.exceptions
from contract import Malformed, Names, NotEntitled, Rights, dead_letter, read, reply_properties
from pika import BasicProperties
from pika.adapters.blocking_connection import BlockingChannel
from stock import Rejected, Stock

PREFIX = os.environ.get("CHECKOUT_PREFIX", "checkout")
BROKER_URL = os.environ["BROKER_URL"]
NAMES = Names(PREFIX, "orders")
USER = unquote(urlsplit(BROKER_URL).username or "")
KEYS = [os.environ["SECRET_KEY"], *filter(None, os.environ.get("SECRET_KEY_FALLBACKS", "").split(","))]
# The orchestrator asks, or the relay in its stead; both want the answer in the orchestrator's queue.
RIGHTS = Rights(
    users=[f"{PREFIX}.checkout", f"{PREFIX}.relay"],
    addresses=[f"{PREFIX}.replies.saga"],
    keys=KEYS,
)
PREFETCH = 20
MOST_DELIVERIES = 10
LONGEST_PAUSE_SECONDS = 5.0


def connected(parameters: pika.ConnectionParameters) -> pika.BlockingConnection:
    """Return a new connection. Raises AMQPError or OSError."""
    try:
        return pika.BlockingConnection(parameters)
    except ValueError as error:
        # pika says so if the broker, or a proxy before it, resets the connection while it is being made.
        raise pika.exceptions.AMQPConnectionError(str(error)) from error


class Service:
    """The service on one connection."""

    def __init__(self, stock: Stock) -> None:
        self._stock = stock
        self._is_ended = False
        self._channel: BlockingChannel | None = None

    def run(self) -> None:
        """Work until SIGTERM. After a lost connection start anew: unfinished commands come again."""
        pause = 0.1
        while not self._is_ended:
            try:
                self._work()
                pause = 0.1
            except (pika.exceptions.AMQPError, OSError) as error:
                print(f"connection lost: {error!r}", file=sys.stderr, flush=True)
                time.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    def end(self, *_signal: object) -> None:
        """Stop after the command in hand."""
        self._is_ended = True
        if self._channel is not None and self._channel.is_open:
            self._channel.connection.add_callback_threadsafe(self._channel.stop_consuming)

    def _work(self) -> None:
        parameters = pika.URLParameters(BROKER_URL)
        parameters.heartbeat = 10
        with connected(parameters) as connection:
            channel = self._channel = connection.channel()
            channel.confirm_delivery()
            channel.queue_declare(NAMES.queue, durable=True, arguments=NAMES.arguments)
            channel.queue_bind(NAMES.queue, f"{PREFIX}.commands", NAMES.service)
            channel.basic_qos(prefetch_count=PREFETCH)
            channel.basic_consume(NAMES.queue, self._deal_with)
            print("ready", flush=True)
            # It also returns when the broker cancels the consumer, because the queue was deleted or moved.
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
        """Handle a delivery: work, commit, publish the reply, acknowledge; in this order."""
        deliveries: int = (properties.headers or {}).get("x-delivery-count", 0)
        try:
            if deliveries >= MOST_DELIVERIES:
                self._give_up(channel, properties, body, f"{deliveries} attempts failed")
            else:
                self._handle(channel, properties, body)
        except pika.exceptions.AMQPConnectionError:
            raise
        except Exception as error:
            # This attempt failed. The broker counts it and delivers the command again.
            print(f"attempt failed: {error!r}", file=sys.stderr, flush=True)
            channel.connection.sleep(min(0.1 * 2**deliveries, 2.0))
            channel.basic_reject(method.delivery_tag, requeue=True)
        else:
            channel.basic_ack(method.delivery_tag)

    def _handle(self, channel: BlockingChannel, properties: BasicProperties, body: bytes) -> None:
        try:
            RIGHTS.require(properties, body)
        except NotEntitled as error:
            self._give_up(channel, properties, body, f"not entitled: {error}")
            return
        try:
            reply_id, reply = self._answer(properties, read(properties, body))
        except Malformed as error:
            self._give_up(channel, properties, body, str(error))
            reply_id, reply = str(uuid.uuid4()), _error("malformed_message", str(error))
        self._reply(channel, properties, reply_id, reply)

    def _answer(self, properties: BasicProperties, command: dict[str, object]) -> tuple[str, str]:
        """Return the reply's id and body, after handling the command unless it was handled before."""
        message_id = str(properties.message_id)
        with self._stock.transaction():
            known = self._stock.answer_to(message_id)
            if known is not None:
                return known
            reply_id = str(uuid.uuid4())
            try:
                result = self._stock.carry_out(properties.type or "", command)
                reply = json.dumps({"ok": True, "result": result})
            except Rejected as rejection:  # raised before anything is written
                reply = _error(rejection.code, str(rejection))
            self._stock.record(message_id, reply_id, reply)
            return reply_id, reply

    def _reply(
        self, channel: BlockingChannel, properties: BasicProperties, reply_id: str, reply: str
    ) -> None:
        if not properties.reply_to:
            return
        answer = reply_properties(properties, user=USER, message_id=reply_id)
        try:
            channel.basic_publish(
                f"{PREFIX}.replies", properties.reply_to, reply.encode(), answer, mandatory=True
            )
        except pika.exceptions.UnroutableError:
            print(f"nobody waits at {properties.reply_to} any more", file=sys.stderr, flush=True)

    def _give_up(
        self, channel: BlockingChannel, properties: BasicProperties, body: bytes, reason: str
    ) -> None:
        """Move a command to the dead letters, where staff find it with the reason."""
        print(f"dead letter: {reason}", file=sys.stderr, flush=True)
        letter, kept = dead_letter(properties, body, names=NAMES, user=USER, reason=reason)
        channel.basic_publish(f"{PREFIX}.dead", "", kept, letter, mandatory=True)


def _error(code: str, text: str) -> str:
    return json.dumps({"ok": False, "error": {"code": code, "message": text, "retryable": False}})


if __name__ == "__main__":
    service = Service(
        Stock(os.environ.get("DATABASE", "orders.sqlite3"), json.loads(os.environ.get("STOCK", "{}")))
    )
    signal.signal(signal.SIGTERM, service.end)
    signal.signal(signal.SIGINT, service.end)
    service.run()
