"""Simulated threads: greenlets, which switch only where a real thread would wait for a provider."""

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import greenlet
from django.db import connection

from messaging.concurrency import database
from tests.simulation.processes import Crash, Process, current

if TYPE_CHECKING:
    from tests.simulation.loop import VirtualLoop


class Thread:
    """A function that runs at once and without interruption, except where it calls ``pause``."""

    def __init__(self, loop: "VirtualLoop", function: Callable[[], Any]) -> None:
        self.future: Future[Any] = Future()
        self.future.set_running_or_notify_cancel()
        self._loop = loop
        self._function = function
        self._process: Process = current()
        self._context = contextvars.copy_context()
        self._greenlet = greenlet.greenlet(self._run)

    def go(self) -> None:
        """Run until the next pause or the end."""
        # Django refuses to work where an event loop runs. A real thread would have none.
        asyncio._set_running_loop(None)
        try:
            pause_seconds = self._greenlet.switch()
        finally:
            asyncio._set_running_loop(self._loop)
        if not self._greenlet.dead:
            self._loop.paused.add(self)
            self._loop.call_later(pause_seconds, self._wake, context=self._process.context)

    def end(self) -> None:
        """Unwind a paused thread at the end of the schedule."""
        self._greenlet.throw(Crash)

    def _wake(self) -> None:
        self._loop.paused.discard(self)
        self.go()

    def _run(self) -> None:
        try:
            result = self._context.run(self._function)
        except Crash:
            return
        except Exception as error:
            self.future.set_exception(error)
        else:
            self.future.set_result(result)


def pause(seconds: float) -> None:
    """Suspend this simulated thread for so many virtual seconds."""
    if connection.in_atomic_block or not connection.get_autocommit():
        raise AssertionError("a transaction is held open by a thread that waits")
    greenlet.getcurrent().parent.switch(seconds)


def is_in_thread() -> bool:
    """Return True if the running code may pause."""
    return greenlet.getcurrent().parent is not None


def take_over() -> None:
    """Run all database work of this process in simulated threads, on one connection."""

    def submit(_executor: object, function: Callable[[], Any]) -> Future[Any]:
        loop: VirtualLoop = asyncio.get_running_loop()
        if loop.is_closing:
            raise Crash
        spared = loop.timetable.spare(function)
        if spared is not None:
            done: Future[Any] = Future()
            done.set_result(spared)
            return done
        thread = Thread(loop, function)
        thread.go()
        return thread.future

    database._submit = submit
