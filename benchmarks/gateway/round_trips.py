"""`python -m benchmarks.gateway.round_trips`: the median seconds of a call to the worker."""

import asyncio
import sys
import time
from statistics import median

from benchmarks.systems import BODY
from checkout.messaging import rpc
from checkout.messaging.broker import close_brokers, get_broker

WARM_UP = 100
CALLS = 500


async def main() -> None:
    await get_broker().start()
    times = []
    for _ in range(WARM_UP + CALLS):
        began = time.perf_counter()
        await rpc.acall("benchmark", "benchmark.ask", BODY, timeout_seconds=20)
        times.append(time.perf_counter() - began)
    await close_brokers()
    sys.stdout.write(f"{median(times[WARM_UP:])}\n")


if __name__ == "__main__":
    asyncio.run(main())
