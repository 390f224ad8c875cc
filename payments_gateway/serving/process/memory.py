"""Return of memory to the system after a flood of connections."""

import asyncio
import ctypes
from collections.abc import Callable

# From <malloc.h>, see mallopt(3).
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
# These are glibc's initial thresholds. It raises them for good when a larger block is freed: after one
# password's hash, which takes 16 MB, it would keep up to 32 MB of freed memory in each arena, of which there
# are eight for each processor.
THRESHOLD_BYTES = 131_072
ARENAS = 2


def give_freed_memory_back() -> bool:
    """Make glibc return freed memory to the system soon. Return False if the process has no glibc."""
    mallopt = _of_glibc("mallopt")
    if mallopt is None:
        return False
    options = (
        (M_MMAP_THRESHOLD, THRESHOLD_BYTES),
        (M_TRIM_THRESHOLD, THRESHOLD_BYTES),
        (M_ARENA_MAX, ARENAS),
    )
    return all(mallopt(option, value) for option, value in options)


# Fewer connections hold too little memory to be worth the search for it, which takes milliseconds.
MANY_CONNECTIONS = 100
# The buffers of a connection are freed a little after its end.
FREED_AFTER_SECONDS = 1.0


class AfterFlood:
    """Return of memory to the system when most of many connections have ended.

    glibc's threshold only returns memory that is free at the end of the heap, and one small block in use
    keeps everything before it.
    """

    def __init__(self) -> None:
        self._most = 0

    def note_end(self, left: int, loop: asyncio.AbstractEventLoop) -> None:
        """Note the end of a connection; ``left`` connections remain."""
        self._most = max(self._most, left + 1)
        if self._most >= MANY_CONNECTIONS and left <= self._most // 4:
            self._most = left
            loop.call_later(FREED_AFTER_SECONDS, _trim)


def _trim() -> None:
    if (trim := _of_glibc("malloc_trim")) is not None:
        trim(0)


def _of_glibc(function: str) -> Callable[..., int] | None:
    try:
        found: Callable[..., int] = getattr(ctypes.CDLL(None), function)
    except (OSError, AttributeError):
        return None
    return found
