"""Unknown headers, some of which the broker obeys, are neither read nor written."""

import asyncio

import pytest

from tests.support.amqp10 import Amqp10
from tests.support.brokers import Inbox, Lab, RabbitmqLab, command, within


async def test_unknown_headers_are_not_written(lab: Lab):
    reader, sender = await lab.broker(), await lab.broker()
    topology, inbox = reader.topology, Inbox()
    await reader.declare(topology.service_queue("risk"))
    await reader.consume(topology.service_queue("risk").name, inbox, prefetch=1)
    sent = command(headers={"CC": "x", "BCC": "y", "x-death": 1, "note": 0.5, "baggage": "kept"})
    await sender.publish(topology.commands, "risk", sent, timeout_seconds=20)
    delivery = await inbox.next()
    assert delivery.envelope is not None
    assert delivery.envelope.headers == {"baggage": "kept"}
    assert sender.metrics()["connections_lost"] == 0


@pytest.mark.rabbitmq
async def test_unknown_headers_are_not_read_and_do_not_end_the_link_of_a_service_that_answers(
    rabbitmq: RabbitmqLab,
):
    """An answer with a CC that is not a list would close the channel, and lose all outstanding confirms."""
    broker, inbox = await rabbitmq.broker(), Inbox()
    topology = broker.topology
    await broker.declare(topology.service_queue("risk"))
    await broker.consume(topology.service_queue("risk").name, inbox, prefetch=1)

    def send() -> None:
        with Amqp10(rabbitmq.url) as sender:
            sender.publish(topology.commands, "risk", headers={"CC": "x", "BCC": "y", "baggage": "kept"})

    await asyncio.to_thread(send)
    (delivery := await inbox.next()).ack()
    asked = delivery.envelope
    assert asked is not None
    assert asked.headers == {"baggage": "kept"}
    again = command(headers=asked.headers)
    await within(broker.publish(topology.commands, "risk", again, timeout_seconds=20))
    assert broker.metrics()["connections_lost"] == 0
