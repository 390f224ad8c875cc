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
class Work:
    """The work that was done at once. If it ``has_more``, the timer goes on without a pause."""

    done: int
    has_more: bool


NOTHING = Work(0, has_more=False)


@dataclass(frozen=True, slots=True)
class Timer:
    """A timer. ``act`` handles at most a batch of due work, and returns how much that was.

    After a whole batch there may be more. An ``act`` that knows better returns ``Work``. It runs in a
    database thread; if it is asynchronous, it sees to its threads itself. It is not called while
    ``has_work``, which is asked in the same thread, returns False: a look costs one statement, and ``act`` a
    transaction.
    """

    name: str
    act: Callable[[], int | Work] | Callable[[], Coroutine[Any, Any, int]]
    every_seconds: float
    has_work: Callable[[], bool] | None = None


async def run(timers: Iterable[Timer], stop: asyncio.Event) -> None:
    """Run all timers until ``stop`` is set; then finish what has begun."""
    async with asyncio.TaskGroup() as group:
        for timer in timers:
            group.create_task(_run(timer, stop), name=timer.name)


async def _run(timer: Timer, stop: asyncio.Event) -> None:
    while not stop.is_set():
        if (await _act(timer)).has_more:
            continue
        try:
            async with asyncio.timeout(timer.every_seconds):
                await stop.wait()
        except TimeoutError:
            continue


def _act_if_needed(timer: Timer) -> int | Work:
    if timer.has_work is not None and not timer.has_work():
        return NOTHING
    return cast("Callable[[], int | Work]", timer.act)()


async def _act(timer: Timer) -> Work:
    try:
        if inspect.iscoroutinefunction(timer.act):
            dealt_with: int | Work = await timer.act()
        else:
            dealt_with = await in_thread(_act_if_needed, timer)
    except Error as error:
        log.warning("database away, timer waits", timer=timer.name, reason=str(error))
        return NOTHING
    except Exception:
        # The timer is tried again. Deadlines must be handled even if another timer has a defect.
        log.exception("timer failed", timer=timer.name)
        return NOTHING
    work = dealt_with if isinstance(dealt_with, Work) else Work(dealt_with, dealt_with >= BATCH)
    if work.done:
        crash_points.reached("timers.committed")
    return work
