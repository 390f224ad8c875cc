"""Helpers for channel layers under test, and for layers of other processes."""

import asyncio
from typing import Any

import msgspec

from messaging.broker import Broker
from messaging.channels.layer import RabbitmqChannelLayer, Traffic
from messaging.registry import get_broker
from tests.support.brokers import Lab, within


async def elsewhere(lab: Lab, capacity: int = 3) -> Traffic:
    """Return the channel traffic of another process."""
    broker = await lab.broker()
    traffic = Traffic(broker, 60, 86_400, lambda channel: capacity)
    broker.reply_queue.channels = traffic
    return traffic


async def connected(layer: RabbitmqChannelLayer) -> Broker:
    await layer.new_channel()
    broker = get_broker()
    await within(broker.wait_connected())
    return broker


async def silent(layer: RabbitmqChannelLayer, channel: str) -> None:
    """Assert that no message arrives on the channel. Call it only after every sent message has arrived."""
    reading = asyncio.create_task(layer.receive(channel))
    done, _ = await asyncio.wait({reading}, timeout=0.2)
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    assert not done


def encoded(message: dict[str, Any]) -> bytes:
    return msgspec.msgpack.encode(message)


def decoded(body: bytes) -> Any:
    return msgspec.msgpack.decode(body)
