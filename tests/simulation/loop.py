"""An event loop in virtual time that runs no callbacks of ended processes."""

import asyncio
import heapq
import math
from collections.abc import Callable
from contextvars import Context
from dataclasses import dataclass
from typing import Any

from tests.simulation.clock import Clock
from tests.simulation.processes import Crash, Process, owner_of
from tests.simulation.threads import Thread
from tests.simulation.timetable import INTERVALS, TIMERS, Timetable

# Many times more steps than the longest schedule needs. If it is exceeded, the schedule never ends.
MAX_ROUNDS = 50_000


class _Handle(asyncio.Handle):
    def _run(self) -> None:
        _run_unless_dead(self)


class _Timer(asyncio.TimerHandle):
    def _run(self) -> None:
        _run_unless_dead(self)


def _run_unless_dead(handle: Any) -> None:
    loop: VirtualLoop = handle._loop
    owner = owner_of(handle._context)
    if (owner.is_frozen or not owner.is_alive) and not loop.is_closing:
        loop.left_undone.append(handle)
        return
    try:
        handle._context.run(handle._callback, *handle._args)
    except Crash:
        return  # The process ended in this callback.


@dataclass(eq=False, slots=True)
class _Poll:
    """A timer of the relay whose callback only checks if work is due."""

    name: str
    timer: asyncio.TimerHandle
    interval: float

    @property
    def is_over(self) -> bool:
        """Return True if the timer was cancelled or its process is dead."""
        return self.timer.cancelled() or not owner_of(self.timer._context).is_alive

    def tick(self, due: float) -> float:
        """Return the time of the first poll at or after ``due``."""
        if due == math.inf:
            return math.inf
        missed = max(0, math.ceil((due - self.timer.when()) / self.interval))
        return self.timer.when() + missed * self.interval


class VirtualLoop(asyncio.BaseEventLoop):
    """A loop whose clock jumps to the next timer when nothing is ready. It stops when there is no timer.

    The relay's polls are skipped while the timetable shows that they would find nothing. Skipping them saves
    time without changing results, as virtual hours pass between inquiries of a provider. The loop stops at
    ``last_moment`` even if work is left.
    """

    def __init__(self, clock: Clock, timetable: Timetable, last_moment: float) -> None:
        super().__init__()
        self._clock = clock
        self._clock_resolution = 1e-6
        self._selector = self
        self._last_moment = last_moment
        self._polls: list[_Poll] = []
        self.paused: set[Thread] = set()
        self.timetable = timetable
        self.rounds = 0
        self.is_at_rest = True
        self.left_undone: list[asyncio.Handle] = []
        self.is_closing = False

    def time(self) -> float:
        """See BaseEventLoop. The seconds are virtual."""
        return self._clock.now

    def call_soon(
        self, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        """See BaseEventLoop."""
        handle = _Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    call_soon_threadsafe = call_soon

    def call_at(
        self, when: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """See BaseEventLoop."""
        timer = _Timer(when, callback, args, self, context)
        poll = self._as_poll(timer)
        if poll is not None:
            self._polls.append(poll)
        else:
            heapq.heappush(self._scheduled, timer)
            timer._scheduled = True
        return timer

    def _as_poll(self, timer: asyncio.TimerHandle) -> "_Poll | None":
        task = asyncio.current_task(self)
        if task is None or task.get_name() not in TIMERS:
            return None
        wait = timer.when() - self._clock.now
        interval = next((known for known in INTERVALS if abs(wait - known) < 1e-6), None)
        return None if interval is None else _Poll(task.get_name(), timer, interval)

    def begin_closing(self) -> None:
        """Run the callbacks of dead and frozen processes too from now on, so that their tasks are unwound."""
        self.is_closing = True
        self.rounds = 0
        self._ready.extend(self.left_undone)
        self.left_undone.clear()

    def thaw(self, process: Process) -> None:
        """Resume a frozen process, starting with the callbacks that it has missed."""
        process.is_frozen = False
        missed = [handle for handle in self.left_undone if owner_of(handle._context) is process]
        self.left_undone = [handle for handle in self.left_undone if handle not in missed]
        self._ready.extend(missed)

    def select(self, timeout: float | None) -> list[Any]:
        """Act as the selector. There is no input, so jump to the next timer, or stop if there is none."""
        self.rounds += 1
        if self.rounds > MAX_ROUNDS:
            self._give_up()
        if timeout == 0:
            return []
        next_timer = math.inf if timeout is None else self._clock.now + timeout
        next_timer = self._next_poll(next_timer)
        if next_timer == math.inf:
            self.stop()
        elif next_timer > self._last_moment:
            self._give_up()
        elif next_timer > self._clock.now:
            self._clock.move_to(next_timer)
        return []

    def _give_up(self) -> None:
        self.is_at_rest = False
        self.stop()

    def _next_poll(self, next_timer: float) -> float:
        """Make the next useful poll ready and return its time, or ``next_timer`` if that is earlier."""
        due = self.timetable.due(next_timer)
        if min(due.values()) >= next_timer:
            return next_timer
        self._polls = [poll for poll in self._polls if not poll.is_over]
        first: _Poll | None = None
        for poll in self._polls:
            when = poll.tick(due.get(poll.name, math.inf))
            if when < next_timer:
                next_timer, first = when, poll
        if first is not None:
            self._polls.remove(first)
            self._ready.append(first.timer)
        return next_timer

    def _process_events(self, event_list: list[Any]) -> None:
        pass

    def _write_to_self(self) -> None:
        pass
