"""The limits of AMQP for messages, on every broker."""

from typing import Any

import pytest
from msgspec.structs import replace

from messaging.errors import PublishRefused, PublishUncertain
from tests.contracts.test_broker import TIMEOUT_SECONDS, a_service, outcome_of, send
from tests.support.brokers import Inbox, Lab, command, within


@pytest.mark.parametrize(
    ("routing_key", "fields"),
    [
        ("k" * 256, {}),
        ("risk", {"type": "t" * 256}),
        ("risk", {"message_id": "\ud800"}),
        ("risk", {"headers": {"deadline": 1 << 63}}),
        ("risk", {"headers": {"deadline": 0.5}}),
        ("risk", {"headers": {"baggage": None}}),
        ("risk", {"headers": {"baggage": ["a", "b"]}}),
        ("risk", {"headers": {"dead-" + "n" * 251: 1}}),
        ("risk", {"headers": {"baggage": "x" * 131_000}}),
    ],
    ids=[
        "key",
        "type",
        "no character",
        "number",
        "fraction",
        "nothing",
        "list",
        "header's name",
        "more than a frame",
    ],
)
async def test_what_amqp_cannot_carry_is_refused_and_disturbs_nothing(
    lab: Lab, routing_key: str, fields: dict[str, Any]
):
    broker = await lab.broker()
    await a_service(broker)
    with pytest.raises(PublishRefused, match="AMQP cannot carry it"):
        await send(broker, replace(command(), **fields), service=routing_key)
    await send(broker, command())
    assert broker.metrics()["connections_lost"] == broker.metrics()["unconfirmed"] == 0


async def test_the_longest_headers_that_are_taken_arrive(lab: Lab):
    """RabbitMQ closes the connection for a frame that is a byte too long."""
    broker = await lab.broker()
    inbox = Inbox()
    await broker.consume((await a_service(broker)).name, inbox, prefetch=1)

    async def is_taken(length: int) -> bool:
        return await outcome_of(send(broker, command(headers={"baggage": "x" * length}))) is None

    taken, refused = 130_000, 131_064
    while refused - taken > 1:
        length = (taken + refused) // 2
        if await is_taken(length):
            taken = length
            (await inbox.next()).ack()
        else:
            refused = length
    assert await is_taken(taken)
    arrived = (await inbox.next()).envelope
    assert arrived is not None
    assert arrived.headers == {"baggage": "x" * taken}
    assert broker.metrics()["connections_lost"] == broker.metrics()["unconfirmed"] == 0


async def test_a_missing_exchange_leaves_it_uncertain_and_publishing_goes_on(lab: Lab):
    """RabbitMQ closes the channel, and all outstanding confirms are lost."""
    broker = await lab.broker()
    with pytest.raises(PublishUncertain):
        await broker.publish("no.such.exchange", "x", command(), timeout_seconds=TIMEOUT_SECONDS)
    await within(broker.wait_connected())
    await a_service(broker)
    await send(broker, command())
