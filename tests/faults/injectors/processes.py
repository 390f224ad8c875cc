"""Faults of processes: killed, stopped, terminated, or run with a wrong clock."""

import asyncio
from pathlib import Path

from tests.faults.injectors.storm import Storm
from tests.faults.settings import FASTEST_CLOCK_SECONDS

WEBS = ("web", "web-2")
WORKERS = ("payments", "payments-2", "risk", "orders", "ledger", "notifications", "webhooks")
ORCHESTRATORS = ("checkout", "checkout-2", "relay", "relay-2")
SPARE = ("checkout-2", "payments-2", "relay-2", "web-2")
PAUSE_SECONDS = 8
SKEWS_SECONDS = (FASTEST_CLOCK_SECONDS, -300, 30, -30, -86_400)
FAKETIME = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))


async def kill_web(storm: Storm) -> str:
    return _kill(storm, WEBS)


async def kill_worker(storm: Storm) -> str:
    return _kill(storm, WORKERS)


async def kill_orchestrator_or_relay(storm: Storm) -> str:
    return _kill(storm, ORCHESTRATORS)


async def stop_and_continue(storm: Storm) -> str:
    name = storm.random.choice(SPARE)
    seconds = PAUSE_SECONDS * storm.patience * storm.random.choice((0.5, 1, 3))
    await storm.keeper.pause(name, seconds)
    return f"SIGSTOP {name}, SIGCONT after {seconds:.1f} s"


async def skew_clock(storm: Storm) -> str:
    if not FAKETIME:
        raise RuntimeError("libfaketime is missing: install Debian's package faketime")
    name = storm.random.choice(SPARE)
    skew = storm.random.choice(SKEWS_SECONDS)
    environment = {
        "LD_PRELOAD": str(FAKETIME[0]),
        "FAKETIME": f"{skew:+d}s",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    await storm.keeper.terminate(name, **environment)
    await storm.last(10)
    await storm.keeper.terminate(name)
    return f"{name} with its clock at {skew:+d} s"


async def roll(storm: Storm) -> str:
    """Restart every process in turn, each after the previous one is ready again, as a deployment does."""
    for name in storm.site.programs:
        if name != "sandbox":
            await storm.keeper.terminate(name)
            await asyncio.to_thread(storm.site.stack.wait_until_ready)
    return "SIGTERM to every process in turn"


def _kill(storm: Storm, names: tuple[str, ...]) -> str:
    name = storm.random.choice(names)
    storm.keeper.kill(name)
    return f"SIGKILL {name}"
