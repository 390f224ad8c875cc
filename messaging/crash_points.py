"""Named places at which a test lets a process die: the windows between commit, publish, ack and call.

A crash at random seldom hits the microsecond that matters, so each of these windows has a name, and the
fault campaign visits them one by one. Nothing happens at a crash point unless one has been armed. Those of
messaging are listed here; a program defines its own.
"""

import os
from collections.abc import Callable

# What a process ends with that was killed by SIGKILL, as seen by a shell.
KILLED = 137

_points = {
    "rpc.published",  # the command is at the broker, nobody waits for its answer yet
    "worker.delivered",  # a message has come, nothing is done
    "worker.committed",  # its effects are committed, what it causes is not published
    "worker.published",  # what it causes is published, the message is not acknowledged
    "worker.acknowledged",  # the message is acknowledged, what it caused is not marked as published
    "relay.taken",  # due rows are leased, nothing is published
    "relay.published",  # they are published and not marked
    "dead_letters.stored",  # a dead letter is in the database, the broker still has it
}

_observer: Callable[[str], None] | None = None


def define(*points: str) -> None:
    """Add the points of a program."""
    _points.update(points)


def defined() -> list[str]:
    """Return the names of all points, in alphabetical order."""
    return sorted(_points)


def reached(point: str) -> None:
    """Say that the process is at ``point``."""
    if _observer is not None:
        _observer(point)


def observe(observer: Callable[[str], None] | None) -> None:
    """Let ``observer`` decide what happens at each point; None: nothing does."""
    global _observer
    _observer = observer


def arm(where: str) -> None:
    """End the process like SIGKILL at the n-th pass of a point: ``"worker.committed:3"``.

    Raises ``ValueError`` for a point that does not exist.
    """
    point, _, number = where.partition(":")
    if point not in _points:
        raise ValueError(f"There is no crash point {point!r}; there are {', '.join(defined())}.")
    passes_left = int(number or 1)

    def die(reached_point: str) -> None:
        nonlocal passes_left
        if reached_point == point:
            passes_left -= 1
            if passes_left == 0:
                os._exit(KILLED)

    observe(die)
