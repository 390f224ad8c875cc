"""Waiting for something another process does: polled, bounded, and never a plain sleep."""

import time
from collections.abc import Callable


def wait_until(ready: Callable[[], object], what: str, *, seconds: float = 60) -> None:
    """Return when `ready()` is true. Raises AssertionError, naming what was waited for, after `seconds`."""
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds:g} s for {what}")
        time.sleep(0.05)
