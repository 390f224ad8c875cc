"""Timers keep running if one of them fails."""

import asyncio
from collections import Counter
from collections.abc import Callable

import pytest
from django.db import InterfaceError, OperationalError

from checkout.payments.timers import timer
from checkout.payments.timers.timer import BATCH, Timer
from messaging import crash_points
from tests.support.brokers import within

A_LONG_TIME = 3600.0


@pytest.mark.parametrize("trouble", [OperationalError, InterfaceError, ZeroDivisionError])
async def test_a_timer_that_fails_is_tried_again_and_stops_no_other(trouble: type[Exception]):
    stop, acts = asyncio.Event(), Counter[str]()
    loop = asyncio.get_running_loop()

    def counted(name: str, error: type[Exception] | None = None) -> Callable[[], int]:
        def act() -> int:
            acts[name] += 1
            if min(acts["failing"], acts["sound"]) >= 3:
                loop.call_soon_threadsafe(stop.set)
            if error is not None:
                raise error("trouble")
            return 0

        return act

    timers = [Timer("failing", counted("failing", trouble), 0.01), Timer("sound", counted("sound"), 0.01)]
    await within(timer.run(timers, stop))


async def test_a_full_batch_is_followed_by_the_next_at_once():
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    results = iter([BATCH, BATCH, 3])

    def act() -> int:
        dealt_with = next(results)
        if dealt_with < BATCH:
            loop.call_soon_threadsafe(stop.set)
        return dealt_with

    await within(timer.run([Timer("t", act, A_LONG_TIME)], stop))
    assert list(results) == []


async def test_it_acts_only_if_a_look_finds_work():
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    looks, acts = iter([60.0, 60.0, 0.0]), []

    def act() -> int:
        acts.append(list(looks))
        loop.call_soon_threadsafe(stop.set)
        return 0

    await within(timer.run([Timer("t", act, 0.01, lambda: next(looks))], stop))
    assert acts == [[]]


async def test_it_stops_without_waiting_for_its_turn():
    stop, acted = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def act() -> int:
        loop.call_soon_threadsafe(acted.set)
        return 0

    running = asyncio.create_task(timer.run([Timer("t", act, A_LONG_TIME)], stop))
    await within(acted.wait())
    stop.set()
    await within(running)


async def test_what_a_timer_has_committed_is_a_place_to_crash_at():
    stop, reached = asyncio.Event(), []

    def crash_here(point: str) -> None:
        reached.append(point)
        stop.set()

    results = iter([0, 1])
    crash_points.observe(crash_here)
    try:
        await within(timer.run([Timer("t", lambda: next(results), 0.01)], stop))
    finally:
        crash_points.observe(None)
    assert reached == ["timers.committed"]
