"""After a lost connection, a message waits for the next one, and none counts as tried without reason."""

import asyncio
import re

import pytest
import structlog
from pika.exceptions import AMQPConnectionError, AMQPError

from messaging.broker import Broker
from messaging.errors import BrokerUnavailable
from messaging.rabbitmq import subscriptions
from messaging.rabbitmq.broker import RabbitmqBroker
from messaging.rabbitmq.connection import supervisor
from messaging.rabbitmq.connection.addresses import connection_parameters
from messaging.rabbitmq.connection.link import Link
from messaging.rabbitmq.declaring import declare_exchanges, declare_queue
from messaging.rabbitmq.subscriptions import Subscription, Subscriptions
from messaging.topology import Topology
from tests.support.broker_users import url_of
from tests.support.brokers import Inbox, RabbitmqLab, command, within
from tests.support.vhosts import binary, evaluate

pytestmark = pytest.mark.rabbitmq


async def send(broker: Broker, *, timeout_seconds: float = 10) -> None:
    await broker.publish(broker.topology.commands, "risk", command(), timeout_seconds=timeout_seconds)


async def both_lost(broker: Broker) -> None:
    """Wait until the broker knows that its connections are lost."""
    while broker.metrics()["connections_lost"] < 2:  # noqa: ASYNC110 (only a counter shows it)
        await asyncio.sleep(0)


async def attempted(broker: Broker, times: int) -> None:
    """Wait until each connection was attempted so often."""
    assert isinstance(broker, RabbitmqBroker)
    supervisors = (broker._publishing, broker._consuming)
    while min(each.incarnation for each in supervisors) <= times:  # noqa: ASYNC110 (only a number shows it)
        await asyncio.sleep(0.01)


async def test_what_is_sent_just_after_a_connection_was_lost_waits_for_the_next_one(rabbitmq: RabbitmqLab):
    broker = await rabbitmq.broker()
    await broker.declare(broker.topology.service_queue("risk"))
    rabbitmq.proxy.cut()
    await within(both_lost(broker))
    assert not broker.is_connected
    await send(broker)


async def test_it_waits_for_one_attempt_only(rabbitmq: RabbitmqLab):
    broker = await rabbitmq.broker()
    await rabbitmq.proxy.refuse()
    await within(both_lost(broker))
    with pytest.raises(BrokerUnavailable):
        await within(send(broker, timeout_seconds=3600))


async def test_nobody_waits_for_an_attempt_after_the_end(rabbitmq: RabbitmqLab):
    broker = await rabbitmq.broker()
    await within(broker.wait_connected())
    await broker.close()
    with pytest.raises(BrokerUnavailable):
        await within(send(broker, timeout_seconds=3600))


async def test_a_silent_node_is_not_waited_for_any_longer(
    rabbitmq: RabbitmqLab, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(supervisor, "ATTEMPT_SECONDS", 0.1)
    broker = await rabbitmq.broker()
    rabbitmq.proxy.delay(60)
    rabbitmq.proxy.cut()
    await within(both_lost(broker))
    with pytest.raises(BrokerUnavailable, match="not connected"):
        await within(send(broker, timeout_seconds=3600))


async def test_a_connection_without_the_reply_queue_does_not_count_as_an_attempt_at_any_message(
    rabbitmq: RabbitmqLab, vhost: str
):
    broker, inbox = await rabbitmq.broker(), Inbox()
    queue = broker.topology.service_queue("risk")
    await broker.declare(queue)
    await broker.consume(queue.name, inbox, prefetch=1)
    await send(broker)
    assert (await inbox.next()).delivery_count == 0
    await rabbitmq.go_down()
    await within(both_lost(broker))
    own = broker.reply_queue.name
    link = await Link.open(connection_parameters(vhost, "a test")[0])
    channel = await link.channel()
    await channel.ask(lambda answer: channel.raw.queue_delete(own, callback=answer))
    # No other queue can have this name, as if its node were just stopping.
    await channel.ask(lambda answer: channel.raw.queue_declare(own, callback=answer))
    await rabbitmq.come_back()
    consuming = broker._consuming  # type: ignore[attr-defined]
    before = consuming.incarnation
    while consuming.incarnation < before + 4:  # noqa: ASYNC110 (only a number shows it)
        await asyncio.sleep(0.01)
    assert not len(inbox)
    await channel.ask(lambda answer: channel.raw.queue_delete(own, callback=answer))
    await link.close()
    again = await inbox.next()
    assert again.delivery_count == 1
    again.ack()


async def test_a_reader_of_an_earlier_connection_does_not_speak_for_the_next_one(
    rabbitmq: RabbitmqLab, vhost: str, monkeypatch: pytest.MonkeyPatch
):
    """The next connection may take long: the node of the process's own queue may be silent."""
    monkeypatch.setattr(subscriptions, "RETRY_SECONDS", 0.1)
    parameters = connection_parameters(vhost, "a test")[0]
    first, second = await Link.open(parameters), await Link.open(parameters)
    topology, may_go_on = Topology(rabbitmq.prefix), asyncio.Event()
    queue = topology.service_queue("risk")
    await declare_exchanges(second, topology.exchanges)

    async def redeclare(link: Link, name: str) -> None:
        if link is first:
            raise AMQPError("refused")
        await may_go_on.wait()
        await declare_queue(link, queue)

    reading = Subscriptions(redeclare, redeclare)
    own = Subscription(queue.name, Inbox(), prefetch=0, auto_ack=True)
    with pytest.raises(AMQPConnectionError):
        await within(reading.prepare(first, own))
    earlier = own.task
    assert earlier is not None
    first.abort()
    preparing = asyncio.create_task(reading.prepare(second, own))
    await within(asyncio.wait({earlier}))
    may_go_on.set()
    await within(preparing)
    assert own.is_reading
    reading.lost()
    await second.close()


async def test_the_log_has_the_reason_for_which_the_broker_closes_connections(rabbitmq: RabbitmqLab):
    await rabbitmq.make_users()
    user, one = binary(f"{rabbitmq.prefix}.risk"), binary('{"max-channels": 1}')
    limit = f'rabbit_auth_backend_internal:set_user_limits({user}, {one}, <<"tests">>).'
    assert await asyncio.to_thread(evaluate, limit) == "ok"
    broker = RabbitmqBroker(url_of("risk", rabbitmq.url, prefix=rabbitmq.prefix), rabbitmq.prefix)

    async def reason() -> str:
        while not (told := [line for line in lines if line["event"] == "broker not reachable"]):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        return str(told[0]["reason"])

    with structlog.testing.capture_logs() as lines:
        broker.open()
        told = await within(reason())
    await broker.close()
    assert "reached the maximum allowed user limit" in told


async def test_an_outage_is_one_error_in_the_log_whatever_the_attempts_and_its_end_is_told(
    rabbitmq: RabbitmqLab,
):
    broker = await rabbitmq.broker()
    with structlog.testing.capture_logs() as lines:
        await rabbitmq.go_down()
        await within(attempted(broker, 5))
        await rabbitmq.come_back()
        await within(broker.wait_connected())
    loud = [line for line in lines if line["log_level"] in ("warning", "error")]
    told = [line["event"] for line in loud]
    assert told[:2] == ["broker connection lost"] * 2
    assert told[2] == "broker not reachable"
    assert re.fullmatch(r"broker reachable again after \d+ s", told[3])
    assert len(told) == 4
    assert [line["log_level"] for line in loud] == ["warning", "warning", "error", "warning"]
