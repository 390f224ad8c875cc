"""Named points at which a test can kill a process: the windows between commit, publish, ack and call.

A crash at random seldom hits the microsecond that matters. Each of these windows therefore has a name, and
the fault campaign visits them one by one. Nothing happens at a crash point unless it has been armed. The
points of messaging are listed here; a program defines its own.
"""

import os
from collections.abc import Callable

# The exit status that a shell reports for a process killed by SIGKILL.
KILLED = 137

_points = {
    "rpc.published",  # The broker has the command, and the caller does not wait for the reply yet.
    "worker.delivered",  # A message has arrived, and nothing is done yet.
    "worker.committed",  # Its effects are committed, and the messages that it causes are not published yet.
    "worker.published",  # The messages that it causes are published, and it is not acknowledged yet.
    "worker.acknowledged",  # it is acknowledged, and the messages it caused are not marked as published
    "relay.taken",  # Due rows are leased, and none is published yet.
    "relay.published",  # The rows are published, and not marked yet.
    "dead_letters.stored",  # A dead letter is in the database, and still on the broker.
}

_observer: Callable[[str], None] | None = None


def define(*points: str) -> None:
    """Add the points of a program."""
    _points.update(points)


def defined() -> list[str]:
    """Return the names of all points, in alphabetical order."""
    return sorted(_points)


def reached(point: str) -> None:
    """Tell the observer, if there is one, that the process is at ``point``."""
    if _observer is not None:
        _observer(point)


def observe(observer: Callable[[str], None] | None) -> None:
    """Call ``observer`` at each point; with None, nothing happens there."""
    global _observer
    _observer = observer


def arm(where: str) -> None:
    """Kill the process, as SIGKILL would, the n-th time that it reaches a point: ``"worker.committed:3"``.

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
