"""Named places at which a test lets a process die: the windows between commit, publish, ack and call.

A crash at random seldom hits the microsecond that matters, so each of these windows has a name, and the
fault campaign visits them one by one. Nothing happens at a crash point unless somebody has armed one, which
``checks.py`` refuses in production.
"""

import os
from collections.abc import Callable

# What a process ends with that was killed by SIGKILL, as seen by a shell.
KILLED = 137

POINTS = (
    "web.intent_committed",  # the command is in the outbox, nothing is published
    "web.published",  # the command is at the broker, nobody waits for its answer yet
    "web.notification_stored",  # a notification is in the database, its sender has no acknowledgement
    "worker.delivered",  # a message has come, nothing is done
    "worker.committed",  # its effects are committed, what it causes is not published
    "worker.published",  # what it causes is published, the message is not acknowledged
    "worker.acknowledged",  # the message is acknowledged, what it caused is not marked as published
    "payments.intent_committed",  # a provider is about to be asked
    "payments.answered",  # the provider has answered, its answer is not committed
    "relay.taken",  # due rows are leased, nothing is published
    "relay.published",  # they are published and not marked
    "timers.committed",  # what a timer decided is committed, the round is not over
    "dead_letters.stored",  # a dead letter is in the database, the broker still has it
)

_observer: Callable[[str], None] | None = None


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
    if point not in POINTS:
        raise ValueError(f"There is no crash point {point!r}; there are {', '.join(POINTS)}.")
    passes_left = int(number or 1)

    def die(reached_point: str) -> None:
        nonlocal passes_left
        if reached_point == point:
            passes_left -= 1
            if passes_left == 0:
                os._exit(KILLED)

    observe(die)
