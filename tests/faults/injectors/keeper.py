"""Restart every process of the stack that ends, and kill some processes at one crash point after another."""

import asyncio
import os
import signal
from collections import Counter, deque
from dataclasses import dataclass, field
from random import Random

import checkout.crash_points  # noqa: F401  defines those of the checkout
from messaging import crash_points
from tests.faults.diary import Diary
from tests.faults.recorder import now
from tests.faults.site import Site
from tests.support.stack import SERVICES

LOOK_SECONDS = 0.1
# Longer than a web process takes to finish its open requests; see the Procfile.
END_SECONDS = 30
# The exit codes of our own programs and of uvicorn after SIGTERM.
ORDERLY = (0, -signal.SIGTERM)
# In the short campaign, a process dies within so many passes of a crash point.
LONGEST_WAY = 25
# These processes seldom pass their points, and any other death resets their count, so they die after fewer
# passes.
SHORTER_WAYS = {"web": LONGEST_WAY, "rpc": LONGEST_WAY, "relay": 8}
# Points that are passed so seldom that the process dies at the first pass.
SELDOM = ("timers.", "dead_letters.")
# The probability that a process dies again at the next pass, when the redelivered message is handled.
AT_ONCE_AGAIN = 0.4

# The processes that die at crash points. If there are two copies, the second one is spared.
POINTS = {
    **{name: [point for point in crash_points.defined() if point.startswith("worker.")] for name in SERVICES},
    "web": [point for point in crash_points.defined() if point.startswith(("web.", "rpc."))],
    "relay": [
        point for point in crash_points.defined() if point.startswith(("relay.", "timers.", "dead_letters."))
    ],
}
POINTS["payments"] += [point for point in crash_points.defined() if point.startswith("payments.")]


@dataclass
class Tour:
    """The crash points at which a process has yet to die, and those at which it has died."""

    left: deque[str]
    hit: Counter[str] = field(default_factory=Counter)
    armed: str = ""

    def next(self, died: bool) -> str:
        """Return the point at which to die next, or "" when the tour is over."""
        if self.armed and died:
            point = self.armed.partition(":")[0]
            self.hit[point] += 1
            self.left.remove(self.armed)
        elif self.armed:
            # The process died elsewhere first, perhaps because it seldom reaches this point. Another point is
            # tried.
            self.left.rotate(-1)
        self.armed = self.left[0] if self.left else ""
        return self.armed


class Keeper:
    """A supervisor that restarts ended processes. An end without request or crash point is a mishap."""

    def __init__(self, site: Site, diary: Diary, random: Random, rounds: int, calmness: float = 1) -> None:
        self.site = site
        self._diary = diary
        self._expected: set[str] = set()
        self._environment: dict[str, dict[str, str]] = {}
        self._is_touring = False
        self._tours = {
            name: Tour(_visits(points, random, rounds, int(LONGEST_WAY * calmness)))
            for name, points in POINTS.items()
        }

    @property
    def hits(self) -> Counter[str]:
        """Return the number of deaths by process and point, with keys like `payments at worker.committed`."""
        return Counter(
            {
                f"{name} at {point}": times
                for name, tour in self._tours.items()
                for point, times in tour.hit.items()
            }
        )

    @property
    def tours_are_over(self) -> bool:
        return not self.missed

    @property
    def missed(self) -> list[str]:
        """Return the points at which their process has not died yet."""
        return [
            f"{name} at {point}"
            for name, points in POINTS.items()
            for point in points
            if not self._tours[name].hit[point]
        ]

    async def run(self) -> None:
        """Check the processes regularly until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            for name, program in self.site.programs.items():
                if program.exit_code is not None:
                    await self._restart(name, program.exit_code)

    async def start_tours(self) -> None:
        """Let processes die at crash points from now on, after restarting each of them."""
        self._is_touring = True
        for name in POINTS:
            await self.terminate(name)

    async def end_tours(self) -> None:
        """Stop the deaths at crash points: restart the processes that would still die."""
        self._is_touring = False
        for name, tour in self._tours.items():
            if tour.armed:
                tour.armed = ""
                self.kill(name)

    def kill(self, name: str) -> None:
        """Send SIGKILL to a process, which is restarted at once."""
        self._expected.add(name)
        self._signal(name, signal.SIGKILL)

    async def terminate(self, name: str, **environment: str) -> None:
        """Send SIGTERM and wait for the end. The process is restarted with these settings for one run."""
        self._expected.add(name)
        self._environment[name] = environment
        program, before = self.site.programs[name], self.site.programs[name].pid
        self._signal(name, signal.SIGTERM)
        deadline = now() + END_SECONDS
        while program.is_alive and program.pid == before:
            if now() > deadline:
                last_words = program.text().splitlines()[-3:]
                self._diary.mishaps.append(
                    f"{name} did not end within {END_SECONDS} s of SIGTERM: {last_words}"
                )
                self._signal(name, signal.SIGKILL)
                return
            await asyncio.sleep(LOOK_SECONDS)

    async def send_to(self, name: str, point: str) -> bool:
        """Let a process die at this point next. Return False if it has died there often enough."""
        tour = self._tours[name]
        visit = next((each for each in tour.left if each.startswith(point)), None)
        if visit is not None and self._is_touring:
            tour.left.remove(visit)
            tour.left.appendleft(visit)
            tour.armed = ""
            await self.terminate(name)
            return True
        return False

    async def pause(self, name: str, seconds: float) -> None:
        """Send SIGSTOP, and SIGCONT after so many seconds."""
        pid = self.site.programs[name].pid
        self._signal(name, signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            if self.site.programs[name].pid == pid:
                self._signal(name, signal.SIGCONT)

    def _signal(self, name: str, number: int) -> None:
        program = self.site.programs[name]
        if program.is_alive:
            os.kill(program.pid, number)

    async def _restart(self, name: str, exit_code: int) -> None:
        tour = self._tours.get(name)
        is_crash = tour is not None and exit_code == crash_points.KILLED
        # `armed` is empty if the process died while `send_to` chose another point for it; that reaches no
        # point.
        died_at_point = bool(tour and tour.armed and is_crash)
        is_ours = name in self._expected and exit_code in (*ORDERLY, -signal.SIGKILL)
        if not (is_crash or is_ours):
            self._diary.mishaps.append(f"{name} ended by itself with code {exit_code}")
        self._expected.discard(name)
        environment = self._environment.pop(name, {})
        if tour and (self._is_touring or died_at_point):
            armed = tour.next(died_at_point)
            if self._is_touring and armed:
                environment = {**environment, "CHECKOUT_CRASH_AT": armed}
        await asyncio.to_thread(lambda: self.site.programs[name].start(**environment))


def _visits(points: list[str], random: Random, rounds: int, longest_way: int) -> deque[str]:
    visits: list[str] = []
    for _ in range(rounds):
        # Points that are seldom passed come last, because the tour waits until the process reaches them.
        for point in sorted(random.sample(points, len(points)), key=lambda point: point.startswith(SELDOM)):
            is_seldom = point.startswith(SELDOM)
            passes = 1 if is_seldom else random.randint(2, longest_way)
            passes = min(passes, SHORTER_WAYS.get(point.partition(".")[0], passes))
            visits.append(f"{point}:{passes}")
            if not is_seldom and random.random() < AT_ONCE_AGAIN:
                visits.append(f"{point}:1")
    return deque(visits)
