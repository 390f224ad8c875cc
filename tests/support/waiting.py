"""Wait for another process by polling with a time limit, never by a plain sleep."""

import time
from collections.abc import Callable


def wait_until(ready: Callable[[], object], what: str, *, seconds: float = 60) -> None:
    """Poll until `ready()` is true. After `seconds`, raise AssertionError with the text `what`."""
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds:g} s for {what}")
        time.sleep(0.05)
