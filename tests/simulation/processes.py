"""Simulated processes. The callbacks and tasks of a process end with it."""

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar
from typing import Any, TypeVar

T = TypeVar("T")


class Crash(BaseException):
    """Raised in the running code of a process that dies. The product must not catch it."""


class Process:
    """A process from its start to its end. After a restart there is a new object."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_alive = True
        self.is_frozen = False
        self.tasks: list[asyncio.Task[Any]] = []
        self._context = Context()
        self._context.run(_current.set, self)

    @property
    def context(self) -> Context:
        """Return a context whose callbacks, tasks and threads belong to this process."""
        return self._context.copy()

    def run(self, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Call ``function`` as code of this process."""
        return self.context.run(function, *args, **kwargs)

    def spawn(self, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Start a task that stops without an exception when the process dies."""
        return self.run(asyncio.get_event_loop().create_task, coroutine)


# OUTSIDE stands for all code that belongs to no process of the product: network, broker, provider and
# shoppers.
_current: ContextVar[Process] = ContextVar("process")
OUTSIDE = Process("outside")


def current() -> Process:
    """Return the process whose code is running."""
    return _current.get(OUTSIDE)


def owner_of(context: Context) -> Process:
    """Return the process to which code that runs in ``context`` belongs."""
    return context.get(_current, OUTSIDE)


def outside(function: Callable[..., T], *args: Any) -> T:
    """Call ``function`` so that callbacks that it schedules survive the running process."""
    return OUTSIDE.run(function, *args)
