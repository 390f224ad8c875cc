"""Two relays that repeatedly lose RabbitMQ and PostgreSQL: every row is published and marked."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

import psycopg
import pytest
from django.db import Error, connection
from django.utils import timezone

from checkout.payments.dead_letters import keep
from checkout.payments.models import OutboxMessage
from messaging.concurrency.database import in_thread
from messaging.delivery import Delivery
from messaging.outbox.relay import Relay
from messaging.outbox.rows import OutboxRows
from tests.support.brokers import RabbitmqLab, lost, within
from tests.support.proxy import Proxy
from tests.support.services import everything_is_marked, until

pytestmark = [
    pytest.mark.rabbitmq,
    pytest.mark.postgresql,
    pytest.mark.django_db(transaction=True),
]

T = TypeVar("T")

ROWS = 600
ROUNDS = 4


def write_rows(topology, names: range) -> bool:
    now = timezone.now()
    OutboxMessage.objects.bulk_create(
        OutboxMessage(
            message_id=f"m{name}",
            exchange=topology.commands,
            routing_key="greeter",
            type="greet",
            body="{}",
            available_at=now,
        )
        for name in names
    )
    return True


def lose_database_connections() -> None:
    """End all database connections, as a restart of the server does."""
    parameters = connection.get_connection_params()
    named = {name: parameters[name] for name in ("dbname", "user", "password", "host", "port")}
    with psycopg.connect(autocommit=True, **named) as operator:
        operator.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def stubbornly(act: Callable[[], T]) -> T | None:
    """Call ``act``; return None on a database error, as the test's own connections are lost as well."""
    try:
        return act()
    except Error:
        return None


async def test_a_relay_leaves_its_rows_alone_while_the_broker_blocks_publishing(rabbitmq_url: str):
    """Each vain attempt would make the pause before the next one longer, up to five minutes."""
    proxy = Proxy(rabbitmq_url)
    await proxy.accept()
    lab = RabbitmqLab(proxy)
    broker, stop = await lab.broker(), asyncio.Event()
    await broker.declare(broker.topology.service_queue("greeter"))
    relay = asyncio.create_task(Relay(broker, OutboxRows(OutboxMessage, keep), poll_seconds=0.02).run(stop))
    try:
        lab.block()
        await within(lost(broker))
        await in_thread(write_rows, broker.topology, range(1))
        await asyncio.sleep(0.5)
        assert await in_thread(lambda: OutboxMessage.objects.get().attempts) == 0
        lab.unblock()
        await until(everything_is_marked)
    finally:
        stop.set()
        await within(relay)
        await lab.close()


@pytest.mark.usefixtures("new_database_connections")
async def test_two_relays_publish_every_row_whatever_is_lost_meanwhile(rabbitmq_url: str):
    proxy = Proxy(rabbitmq_url)
    await proxy.accept()
    lab = RabbitmqLab(proxy)
    heard: set[str] = set()

    def hear(delivery: Delivery) -> None:
        # Acknowledged after recording, so that messages are delivered again if this connection is cut first.
        heard.add(delivery.envelope.message_id)
        delivery.ack()

    reader = await lab.broker()
    queue = reader.topology.service_queue("greeter")
    await reader.declare(queue)
    await reader.consume(queue.name, hear, prefetch=1000)
    stop = asyncio.Event()
    relays = [
        asyncio.create_task(
            Relay(
                await lab.broker(), OutboxRows(OutboxMessage, keep, lease_seconds=0.5), poll_seconds=0.05
            ).run(stop)
        )
        for _ in range(2)
    ]
    for number in range(ROUNDS):
        names = range(number * ROWS, (number + 1) * ROWS)
        await until(lambda: stubbornly(lambda: write_rows(reader.topology, names)))  # noqa: B023
        proxy.cut()
        await in_thread(lose_database_connections)
    try:
        await until(lambda: stubbornly(everything_is_marked))
        assert not any(relay.done() for relay in relays)
        everything = {f"m{number}" for number in range(ROUNDS * ROWS)}
        await until(lambda: heard >= everything)
        assert heard == everything
    finally:
        stop.set()
        await within(asyncio.gather(*relays))
        await lab.close()
