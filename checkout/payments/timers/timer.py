"""Run timers concurrently, each at its own interval, even if another timer or the database fails."""

import asyncio
import inspect
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from typing import Any, cast

import structlog
from django.db import Error

from messaging import crash_points
from messaging.concurrency.database import in_thread, warn_unless_away
from messaging.outbox.notify import pause_seconds

log = structlog.get_logger(__name__)

BATCH = 100


@dataclass(frozen=True, slots=True)
class Work:
    """The amount of work that was done. If ``has_more``, the timer continues without a pause."""

    done: int
    has_more: bool
    # The seconds until known work is due.
    due_in: float = 0.0


NOTHING = Work(0, has_more=False)


@dataclass(frozen=True, slots=True)
class Timer:
    """A timer. ``act`` handles at most a batch of due work, and returns its size.

    A full batch means that there may be more work, unless ``act`` returns ``Work``, which says this itself.
    ``act`` runs in a database thread, or manages threads itself if it is asynchronous. ``due_in`` runs in the
    same thread before it, and returns the seconds until work is due. ``act`` is called only if these are 0,
    because ``due_in`` costs one statement, but ``act`` a transaction.
    """

    name: str
    act: Callable[[], int | Work] | Callable[[], Coroutine[Any, Any, int]]
    every_seconds: float
    due_in: Callable[[], float] | None = None


async def run(timers: Iterable[Timer], stop: asyncio.Event) -> None:
    """Run all timers until ``stop`` is set. Then finish the work that has begun."""
    async with asyncio.TaskGroup() as group:
        for timer in timers:
            group.create_task(_run(timer, stop), name=timer.name)


async def _run(timer: Timer, stop: asyncio.Event) -> None:
    while not stop.is_set():
        work = await _act(timer)
        if work.has_more:
            continue
        try:
            async with asyncio.timeout(pause_seconds(work.due_in, timer.every_seconds)):
                await stop.wait()
        except TimeoutError:
            continue


def _act_if_needed(timer: Timer) -> int | Work:
    if timer.due_in is not None and (due_in := timer.due_in()) > 0:
        return Work(0, has_more=False, due_in=due_in)
    return cast("Callable[[], int | Work]", timer.act)()


async def _act(timer: Timer) -> Work:
    try:
        if inspect.iscoroutinefunction(timer.act):
            dealt_with: int | Work = await timer.act()
        else:
            dealt_with = await in_thread(_act_if_needed, timer)
    except Error as error:
        warn_unless_away("timer waits for its database", error, timer=timer.name)
        return NOTHING
    except Exception:
        # The timer is tried again. A defect of one timer must not stop the others, such as deadlines.
        log.exception("timer failed", timer=timer.name)
        return NOTHING
    work = dealt_with if isinstance(dealt_with, Work) else Work(dealt_with, dealt_with >= BATCH)
    if work.done:
        crash_points.reached("timers.committed")
    return work
