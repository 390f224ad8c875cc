"""The main loop of a process without HTTP: it runs with the broker on one event loop until a signal."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Sequence

import uvloop

from checkout.running.observing import observed
from messaging.broker import Broker
from messaging.registry import close_brokers, get_broker
from payments_gateway.serving.process import gc_tuning

Work = Callable[[Broker, asyncio.Event], Awaitable[None]]


def run(work: Work, *programs: str) -> None:
    """Run ``work`` until it returns. Its event is set at SIGTERM or SIGINT. ``programs`` names the programs.

    The event loop is the same kind as that of the web process under uvicorn.
    """
    gc_tuning.freeze()
    uvloop.run(_until_told(work, programs))


async def _until_told(work: Work, programs: Sequence[str]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    broker = get_broker()
    broker.open()
    try:
        with observed(programs, broker):
            await work(broker, stop)
    finally:
        await close_brokers()
