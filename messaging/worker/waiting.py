"""Waits of a worker, which end when the worker is to stop."""

import asyncio
import contextlib

from messaging.broker import Broker


async def until_stopped(stop: asyncio.Event, *, seconds: float) -> None:
    """Wait until ``stop`` is set, for at most ``seconds``."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)


async def until_connected(broker: Broker, stop: asyncio.Event, *, seconds: float) -> None:
    """Wait until the broker takes messages, ``stop`` is set, or ``seconds`` have passed."""
    if broker.is_connected:
        return
    waits = {asyncio.ensure_future(broker.wait_connected()), asyncio.ensure_future(stop.wait())}
    await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for each in waits:
        each.cancel()
