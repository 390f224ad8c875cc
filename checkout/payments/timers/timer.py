"""Run timers concurrently, each at its own interval, even if another timer or the database fails."""

import asyncio
import inspect
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from typing import Any, cast

import structlog
from django.db import Error

from messaging import crash_points
from messaging.concurrency.database import in_thread

log = structlog.get_logger(__name__)

BATCH = 100


@dataclass(frozen=True, slots=True)
class Timer:
    """A timer. ``act`` handles at most a batch of due work, and returns how much that was.

    It runs in a database thread; if it is asynchronous, it sees to its threads itself.
    """

    name: str
    act: Callable[[], int] | Callable[[], Coroutine[Any, Any, int]]
    every_seconds: float


async def run(timers: Iterable[Timer], stop: asyncio.Event) -> None:
    """Run all timers until ``stop`` is set; then finish what has begun."""
    async with asyncio.TaskGroup() as group:
        for timer in timers:
            group.create_task(_run(timer, stop), name=timer.name)


async def _run(timer: Timer, stop: asyncio.Event) -> None:
    while not stop.is_set():
        dealt_with = await _act(timer)
        if dealt_with >= BATCH:
            continue
        try:
            async with asyncio.timeout(timer.every_seconds):
                await stop.wait()
        except TimeoutError:
            continue


async def _act(timer: Timer) -> int:
    try:
        if inspect.iscoroutinefunction(timer.act):
            dealt_with: int = await timer.act()
        else:
            dealt_with = await in_thread(cast("Callable[[], int]", timer.act))
    except Error as error:
        log.warning("database away, timer waits", timer=timer.name, reason=str(error))
        return 0
    except Exception:
        # The timer is tried again. Deadlines must be handled even if another timer has a defect.
        log.exception("timer failed", timer=timer.name)
        return 0
    if dealt_with:
        crash_points.reached("timers.committed")
    return dealt_with
