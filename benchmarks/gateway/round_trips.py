"""`python -m benchmarks.gateway.round_trips PAUSE`: the median seconds of a message to the worker and back.

Both ways by a quorum queue, as between services. The worker does nothing but answer. With a pause in seconds
between them, as between the hops of a payment: whatever idles takes a while to wake.
"""

import asyncio
import sys
import time
from statistics import median

from benchmarks.systems import BODY
from checkout.messaging.broker import Delivery, close_brokers, get_broker
from checkout.messaging.envelope import Envelope

WARM_UP = 100
TRIPS = 500


async def main(pause_seconds: float) -> None:
    broker = get_broker()
    await broker.start()
    queue = broker.topology.reply_queue("benchmark")
    await broker.declare(queue)
    back = asyncio.Event()

    def on_delivery(delivery: Delivery) -> None:
        delivery.ack()
        back.set()

    await broker.wait_connected()
    await broker.consume(queue.name, on_delivery, prefetch=1)
    times = []
    for _ in range(WARM_UP + TRIPS):
        await asyncio.sleep(pause_seconds)
        back.clear()
        command = Envelope(type="benchmark.ask", body=BODY, reply_to=queue.name, correlation_id="1")
        began = time.perf_counter()
        await broker.publish(broker.topology.commands, "benchmark", command, timeout_seconds=20)
        await back.wait()
        times.append(time.perf_counter() - began)
    await close_brokers()
    sys.stdout.write(f"{median(times[WARM_UP:])}\n")


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1])))
