"""Simulated processes: what runs in one dies with it."""

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar
from typing import Any, TypeVar

T = TypeVar("T")


class Crash(BaseException):
    """A process has died; whatever it was doing ends here. Nobody may catch it on the way."""


class Process:
    """One life of one process. A restarted process is another one."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_alive = True
        self.is_frozen = False
        self.tasks: list[asyncio.Task[Any]] = []
        self._context = Context()
        self._context.run(_current.set, self)

    @property
    def context(self) -> Context:
        """A context whose callbacks, tasks and threads belong to this process."""
        return self._context.copy()

    def run(self, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Call ``function`` as code of this process."""
        return self.context.run(function, *args, **kwargs)

    def spawn(self, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Start a task that ends without notice when the process dies."""
        return self.run(asyncio.get_event_loop().create_task, coroutine)


# Whatever is no process of ours: the network, the broker, the provider, the shoppers.
_current: ContextVar[Process] = ContextVar("process")
OUTSIDE = Process("outside")


def current() -> Process:
    """Return the process whose code is running."""
    return _current.get(OUTSIDE)


def owner_of(context: Context) -> Process:
    """Return the process to which what runs in ``context`` belongs."""
    return context.get(_current, OUTSIDE)


def outside(function: Callable[..., T], *args: Any) -> T:
    """Call ``function`` so that what it schedules outlives the process whose code is running."""
    return OUTSIDE.run(function, *args)
