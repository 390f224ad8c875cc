"""The main loop of a process without HTTP: with the broker, on one event loop, until it is told to stop."""

import asyncio
import signal
from collections.abc import Awaitable, Callable

import uvloop

from checkout import garbage
from messaging.broker import Broker
from messaging.registry import close_brokers, get_broker

Work = Callable[[Broker, asyncio.Event], Awaitable[None]]


def run(work: Work) -> None:
    """Do ``work`` until it returns, which it does when its event is set: at SIGTERM or SIGINT.

    The event loop is the one that web has under uvicorn.
    """
    garbage.leave_the_program_alone()
    uvloop.run(_until_told(work))


async def _until_told(work: Work) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    broker = get_broker()
    await broker.start()
    try:
        await work(broker, stop)
    finally:
        await close_brokers()
