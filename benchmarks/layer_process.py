"""Measure a channel layer between two processes (`python -m benchmarks.layer_process CLASS CONFIG ADDRESS`).

One process has a thousand channels in a group, as a web process has WebSockets. The other one sends, as a
service does. Both run this module, in the virtual environment of the measured layer. The sender starts the
other one, and at the end prints the line of JSON that `layers.py` reads.
"""

import asyncio
import gc
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from statistics import median, quantiles
from typing import Any

import uvloop
from django.utils.module_loading import import_string

MEMBERS = 1_000
GROUP_SENDS = 20
MESSAGES = 10_000
ROUND_TRIPS = 1_000
AT_ONCE = 32
PAYLOAD = {"type": "payment.changed", "payment": "pay_0123456789abcdef0123456789abcdef", "state": "captured"}


async def receive_for(layer: Any, sender: str) -> None:
    """Run the process with many channels. It tells `sender` when all messages of a test have arrived."""
    members = [await layer.new_channel() for _ in range(MEMBERS)]
    echo, sink = await layer.new_channel(), await layer.new_channel()
    for member in members:
        await layer.group_add("members", member)
    missing = 0

    async def read_member(channel: str) -> None:
        nonlocal missing
        while True:
            await layer.receive(channel)
            missing = (missing or MEMBERS) - 1
            if not missing:
                await layer.send(sender, PAYLOAD)

    async def read_echo() -> None:
        while True:
            message = await layer.receive(echo)
            await layer.send(message["back"], message)

    async def read_sink() -> None:
        while True:
            for _ in range(MESSAGES):
                await layer.receive(sink)
            await layer.send(sender, PAYLOAD)

    async with asyncio.TaskGroup() as tasks:
        for reader in (read_echo(), read_sink(), *map(read_member, members)):
            tasks.create_task(reader)
        await layer.send(sender, {"type": "ready", "echo": echo, "sink": sink})


async def send_and_measure(layer: Any, arguments: Sequence[str]) -> dict[str, float]:
    here = await layer.new_channel()
    receiver = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.layer_process", *arguments, here, stdin=subprocess.DEVNULL
    )
    try:
        ready = await asyncio.wait_for(layer.receive(here), 30)
        fan_outs = [await _fan_out(layer, here) for _ in range(GROUP_SENDS)]
        trips = [await _round_trip(layer, here, ready["echo"]) for _ in range(ROUND_TRIPS)]
        return {
            "fan_out_ms": 1000 * median(fan_outs),
            "round_trip_p50_ms": 1000 * median(trips),
            "round_trip_p99_ms": 1000 * quantiles(trips, n=100)[98],
            "round_trips_per_second": await _rate_of_trips(layer, ready["echo"]),
            "messages_per_second": await _one_way_rate(layer, here, ready["sink"]),
        }
    finally:
        receiver.kill()
        await receiver.wait()


async def _fan_out(layer: Any, here: str) -> float:
    began = time.perf_counter()
    await layer.group_send("members", PAYLOAD)
    await layer.receive(here)
    return time.perf_counter() - began


async def _round_trip(layer: Any, here: str, echo: str) -> float:
    began = time.perf_counter()
    await layer.send(echo, {**PAYLOAD, "back": here})
    await layer.receive(here)
    return time.perf_counter() - began


async def _rate_of_trips(layer: Any, echo: str) -> float:
    async def go_to_and_fro() -> None:
        back = await layer.new_channel()
        for _ in range(MESSAGES // AT_ONCE):
            await _round_trip(layer, back, echo)

    began = time.perf_counter()
    await asyncio.gather(*(go_to_and_fro() for _ in range(AT_ONCE)))
    return MESSAGES // AT_ONCE * AT_ONCE / (time.perf_counter() - began)


async def _one_way_rate(layer: Any, here: str, sink: str) -> float:
    left = iter(range(MESSAGES))

    async def send() -> None:
        for _ in left:
            await layer.send(sink, PAYLOAD)

    began = time.perf_counter()
    await asyncio.gather(*(send() for _ in range(AT_ONCE)))
    await layer.receive(here)
    return MESSAGES / (time.perf_counter() - began)


async def main(dotted: str, config: str, *sender: str) -> None:
    # Garbage collection is tuned as in our processes, for both layers (``process/gc_tuning.py``).
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    layer = import_string(dotted)(**json.loads(config))
    if sender:
        await receive_for(layer, sender[0])
    else:
        figures = await send_and_measure(layer, (dotted, config))
        sys.stdout.write(json.dumps(figures) + "\n")


if __name__ == "__main__":
    # Both layers use the event loop of a web process under uvicorn.
    uvloop.run(main(*sys.argv[1:]))
