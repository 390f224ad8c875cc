"""What the relay process does: it publishes what the outbox owes, and lets deadlines pass."""

import asyncio

from checkout.messaging.broker import Broker
from checkout.messaging.relay import Relay
from checkout.models import OutboxMessage
from checkout.sagas import deadlines


async def run_relay(broker: Broker, stop: asyncio.Event) -> None:
    """Work until ``stop`` is set; then finish the round."""
    async with asyncio.TaskGroup() as group:
        group.create_task(Relay(broker, OutboxMessage).run(stop))
        group.create_task(deadlines.run(stop))
