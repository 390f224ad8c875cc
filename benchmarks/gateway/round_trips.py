"""Measure the median seconds of a hop, and of an answer to a call.

A hop is one message between services. It is measured as half of the time of a message to the worker and back,
both ways through a quorum queue. The answer to a call comes through the reply queue of the calling process.
The worker only answers. `python -m benchmarks.gateway.round_trips PAUSE` pauses for so many seconds before
each measurement, as between the hops of a payment, since idle processes take a while to wake up.
"""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from statistics import median

import uvloop

from benchmarks.systems import BODY
from messaging import rpc
from messaging.broker import Broker
from messaging.delivery import Delivery
from messaging.envelope import Envelope
from messaging.registry import close_brokers, get_broker

WARM_UP = 100
TRIPS = 500


async def main(pause_seconds: float) -> None:
    broker = get_broker()
    broker.open()
    await broker.wait_connected()
    hop = await _median(await _there_and_back(broker), pause_seconds) / 2
    answer = await _median(_call, pause_seconds) - hop
    await close_brokers()
    sys.stdout.write(f"{hop} {answer}\n")


async def _median(go: Callable[[], Awaitable[object]], pause_seconds: float) -> float:
    times = []
    for _ in range(WARM_UP + TRIPS):
        await asyncio.sleep(pause_seconds)
        began = time.perf_counter()
        await go()
        times.append(time.perf_counter() - began)
    return median(times[WARM_UP:])


async def _call() -> None:
    await rpc.acall("benchmark", "benchmark.ask", BODY, timeout_seconds=20)


async def _there_and_back(broker: Broker) -> Callable[[], Awaitable[object]]:
    queue = broker.topology.reply_queue("benchmark")
    await broker.declare(queue)
    is_back = asyncio.Event()

    def on_delivery(delivery: Delivery) -> None:
        delivery.ack()
        is_back.set()

    await broker.consume(queue.name, on_delivery, prefetch=1)

    async def go() -> None:
        is_back.clear()
        command = Envelope(type="benchmark.ask", body=BODY, reply_to=queue.name, correlation_id="1")
        await broker.publish(broker.topology.commands, "benchmark", command, timeout_seconds=20)
        await is_back.wait()

    return go


if __name__ == "__main__":
    uvloop.run(main(float(sys.argv[1])))
