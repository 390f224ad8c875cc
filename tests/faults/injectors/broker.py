"""Faults of RabbitMQ: killed, stopped, cut off, out of disk or memory, full, or losing queues and replies."""

import asyncio
import contextlib
import json
import uuid
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from typing import TypeVar
from urllib.parse import urlsplit

import pika
import psycopg
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPError
from pika.spec import Basic

from messaging.rabbitmq.connection.addresses import connection_parameters
from tests.faults.injectors.storm import Storm
from tests.support.broker_users import url_of

T = TypeVar("T")

STOP_SECONDS = 15
SILENCE_SECONDS = 8
ALARM_SECONDS = 6
# Long enough for a shopper to try another card while the release of the first card's stock is delayed.
KEPT_SECONDS = 25
RELEASE, RESERVE = "orders.release", "orders.reserve"
ORDERS = "checkout.commands.orders"
DETOUR = "campaign.detour"
# A queue can have only one policy, and the gateway's own is one.
HIGH = ("--priority", "1")
# The commands in these queues are repeated: as new ones when the deadlines of their sagas' steps pass, or, if
# no saga waits for them, as the same ones until they are handled.
QUEUES_TO_DELETE = ("risk", "orders", "ledger")
REPEATED_AS_THE_SAME = ("ledger",)
SERVICES = ("checkout", "payments", "risk", "orders", "ledger", "notifications")
# Commands that may have been in a queue when it was deleted.
PERHAPS_LOST = """
    SELECT message_id FROM payments_outboxmessage
    WHERE exchange = 'checkout.commands' AND routing_key = %s
      AND created_at > now() - interval '10 minutes'"""
# Replies that a service wrote and may not have published: it handled their commands at about that time. If it
# ended then, the broker had no command left to deliver again (docs/decisions/0038).
PERHAPS_NOT_PUBLISHED = """
    SELECT sent.message_id FROM payments_outboxmessage sent
    JOIN payments_inboxmessage handled ON handled.message_id = sent.causation_id AND handled.consumer = %s
    WHERE sent.published_at = sent.created_at AND handled.handled_at > now() - interval '30 seconds'"""
# After this time, no command is handled any more that was delivered from a deleted queue.
HANDLED_SECONDS = 10


async def kill_and_restart(storm: Storm) -> str:
    await asyncio.to_thread(storm.site.rabbitmq.kill)
    await asyncio.to_thread(storm.site.rabbitmq.start)
    return "RabbitMQ killed and started again"


async def stop(storm: Storm) -> str:
    await asyncio.to_thread(storm.site.rabbitmq.stop)
    try:
        await storm.last(STOP_SECONDS)
    finally:
        await asyncio.to_thread(storm.site.rabbitmq.start)
    return "RabbitMQ stopped for a while"


async def silence(storm: Storm) -> str:
    """Hold all data for a while, then deliver or lose it, with equal probability."""
    link = storm.site.broker_link
    link.hold()
    try:
        await storm.last(SILENCE_SECONDS)
    finally:
        arrives = storm.random.random() < 0.5
        link.let_go() if arrives else link.cut()
    return f"link to RabbitMQ silent, then {'let go' if arrives else 'cut'}"


async def cut(storm: Storm) -> str:
    storm.site.broker_link.cut()
    return "link to RabbitMQ cut"


async def forget_clients(storm: Storm) -> str:
    storm.site.broker_link.forget_servers()
    return "RabbitMQ's end of the links gone, unknown to its clients"


async def slow_down(storm: Storm) -> str:
    link = storm.site.broker_link
    link.delay(storm.random.uniform(0.02, 0.2))
    try:
        await storm.last(ALARM_SECONDS)
    finally:
        link.delay(0)
    return "link to RabbitMQ slow"


async def fill_queue(storm: Storm) -> str:
    service = storm.random.choice(SERVICES)
    pattern, definition = rf"^checkout\.commands\.{service}$", '{"max-length": 1}'
    await storm.site.rabbitmqctl("set_policy", "full", pattern, definition, *HIGH, "--apply-to", "queues")
    try:
        await storm.last(ALARM_SECONDS)
    finally:
        await storm.site.rabbitmqctl("clear_policy", "full")
    return f"queue of {service} full"


async def disk_alarm(storm: Storm) -> str:
    await storm.site.rabbitmqctl("set_disk_free_limit", "100000GB")
    try:
        await storm.last(ALARM_SECONDS)
    finally:
        await storm.site.rabbitmqctl("set_disk_free_limit", "50MB")
    return "disk alarm"


async def memory_alarm(storm: Storm) -> str:
    await storm.site.rabbitmqctl("set_vm_memory_high_watermark", "0.00001")
    try:
        await storm.last(ALARM_SECONDS)
    finally:
        await storm.site.rabbitmqctl("set_vm_memory_high_watermark", "0.6")
    return "memory alarm"


async def poison(storm: Storm) -> str:
    """Send three messages: one that is no envelope, one of an unknown type, and one with a wrong body."""
    if await storm.keeper.send_to("relay", "dead_letters.stored"):
        # While a queue is idle, RabbitMQ delivers to the consumer that subscribed first. The second relay is
        # restarted, so that the first one, which is to be killed, subscribed earlier.
        await storm.pause(3)
        await storm.keeper.terminate("relay-2")
    service = storm.random.choice(SERVICES)
    # The orchestrator's user may not publish to its own service.
    user = "web" if service == "checkout" else "checkout"
    # All bodies differ, because two equal messages would be stored as one dead letter.
    for kind, body in (
        ("", b"\xff" + uuid.uuid4().bytes),
        ("payments.launch", b"{}"),
        (f"{service}.assess", b"[1, 2]"),
    ):
        properties = pika.BasicProperties(
            message_id=f"poison-{uuid.uuid4().hex}",
            type=kind,
            content_type="application/json",
            delivery_mode=2,
            user_id=f"checkout.{user}",
        )
        await with_channel(storm, partial(_publish_surely, service, body, properties), user=user)
        storm.diary.poisoned += 1
        # Pauses in between let both relays receive some of the dead letters.
        await storm.pause(2)
    return f"three poisonous messages for {service}"


async def delete_queue(storm: Storm) -> str:
    service = storm.random.choice(QUEUES_TO_DELETE)
    await with_channel(storm, lambda channel: channel.queue_delete(f"checkout.commands.{service}"))
    if service in REPEATED_AS_THE_SAME:
        return f"queue of {service} deleted"
    # The contents of the deleted queue must be known, although the database may be down.
    storm.diary.excused |= await _despite_outages(lambda: _perhaps_lost(storm, service))
    await storm.pause(HANDLED_SECONDS)
    storm.diary.excused |= await _despite_outages(lambda: _perhaps_not_published(storm, service))
    return f"queue of {service} deleted"


async def _despite_outages(read: Callable[[], set[str]]) -> set[str]:
    """Read from the databases, again and again until they answer."""
    while True:
        with contextlib.suppress(psycopg.Error):
            return await asyncio.to_thread(read)
        await asyncio.sleep(0.2)


def _perhaps_lost(storm: Storm, service: str) -> set[str]:
    handled = storm.site.databases.handled()
    return {message_id for (message_id,) in storm.site.rows(PERHAPS_LOST, service)} - handled


def _perhaps_not_published(storm: Storm, service: str) -> set[str]:
    found = storm.site.databases.everywhere(PERHAPS_NOT_PUBLISHED, service)
    return {message_id for (message_id,) in found}


async def take_and_keep(storm: Storm) -> str:
    """Consume a service's messages without acknowledging them, as a hanging copy of the service would."""
    service = storm.random.choice(SERVICES)

    def wedge() -> int:
        connection = pika.BlockingConnection(connection_parameters(storm.site.stack.broker_url, "wedged"))
        channel = connection.channel()
        channel.basic_qos(prefetch_count=20)
        channel.basic_consume(f"checkout.commands.{service}", lambda *_: None)
        connection.sleep(ALARM_SECONDS)
        connection.close()
        return 0

    await asyncio.to_thread(wedge)
    return f"a wedged copy of {service} took messages and kept them"


async def keep_releases(storm: Storm) -> str:
    """Delay releases of stock until a later attempt has reserved it, as a slow link would.

    The commands of the orders service take a detour through another queue. A release is sent on directly
    after the reservation of a later attempt, or at the end. An interruption may duplicate a message.
    """
    user = urlsplit(storm.site.stack.broker_url).username or "guest"
    # An impersonator may publish messages that other users have sent.
    await storm.site.rabbitmqctl("set_user_tags", user, "administrator", "impersonator")
    kept: dict[str, list[tuple[Basic.Deliver, pika.BasicProperties, bytes]]] = defaultdict(list)
    total = 0

    def detour(channel: BlockingChannel) -> None:
        def receive(
            _channel: BlockingChannel, method: Basic.Deliver, properties: pika.BasicProperties, body: bytes
        ) -> None:
            nonlocal total
            if properties.type == RELEASE:
                total += 1
                kept[_payment_in(body)].append((method, properties, body))
                return
            _send_on(channel, method, properties, body)
            if properties.type == RESERVE:
                for delivery in kept.pop(_payment_in(body), ()):
                    _send_on(channel, *delivery)

        channel.queue_declare(DETOUR, durable=True)
        channel.queue_bind(DETOUR, "checkout.commands", "orders")
        channel.queue_unbind(ORDERS, "checkout.commands", "orders")
        channel.confirm_delivery()
        channel.basic_consume(DETOUR, receive)
        channel.connection.sleep(KEPT_SECONDS)

    def straighten(channel: BlockingChannel) -> None:
        channel.queue_declare(DETOUR, durable=True)
        channel.queue_bind(ORDERS, "checkout.commands", "orders")
        channel.queue_unbind(DETOUR, "checkout.commands", "orders")
        channel.confirm_delivery()
        while (delivery := channel.basic_get(DETOUR))[0] is not None:
            _send_on(channel, *delivery)
        channel.queue_delete(DETOUR)

    try:
        await with_channel(storm, detour)
    finally:
        while True:
            with contextlib.suppress(AMQPError):
                await with_channel(storm, straighten)
                break
            await asyncio.sleep(0.2)
    overtaken = total - sum(map(len, kept.values()))
    return f"{total} releases of stock kept for a while, {overtaken} of them overtaken by another attempt"


def _send_on(
    channel: BlockingChannel,
    method: Basic.Deliver | Basic.GetOk,
    properties: pika.BasicProperties,
    body: bytes,
) -> None:
    channel.basic_publish("", ORDERS, body, properties, mandatory=True)
    channel.basic_ack(method.delivery_tag or 0)


def _payment_in(body: bytes) -> str:
    """Return the payment of a command; empty for the malformed body of another fault."""
    try:
        command = json.loads(body)
    except ValueError:
        return ""
    return str(command.get("payment", "")) if isinstance(command, dict) else ""


async def lose_replies(storm: Storm) -> str:
    """Purge the reply queues of web processes, and send them replies that belong to no command."""
    queues = [
        name
        for (name,) in await asyncio.to_thread(
            storm.site.rows, "SELECT DISTINCT reply_to FROM payments_waiter"
        )
    ]

    def disturb(channel: BlockingChannel) -> None:
        for queue in queues:
            channel.queue_purge(queue)
            for _ in range(5):
                properties = pika.BasicProperties(
                    message_id=uuid.uuid4().hex,
                    type="reply",
                    correlation_id=uuid.uuid4().hex,
                    content_type="application/json",
                )
                channel.basic_publish("checkout.replies", queue, b'{"ok": true, "result": {}}', properties)

    await with_channel(storm, disturb)
    return f"replies lost and invented in {len(queues)} queues"


def _publish_surely(
    service: str, body: bytes, properties: pika.BasicProperties, channel: BlockingChannel
) -> None:
    channel.confirm_delivery()
    channel.basic_publish("checkout.commands", service, body, properties, mandatory=True)


async def with_channel(storm: Storm, use: Callable[[BlockingChannel], T], *, user: str = "") -> T:
    """Call `use` in a thread with a channel that bypasses the breakable links, as `user` if one is given."""
    url = storm.site.stack.broker_url

    def run() -> T:
        address = url_of(user, url) if user else url
        with pika.BlockingConnection(connection_parameters(address, "campaign")) as connection:
            return use(connection.channel())

    return await asyncio.to_thread(run)
