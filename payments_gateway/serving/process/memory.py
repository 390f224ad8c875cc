"""Return of memory to the system after a flood has made the process allocate much of it."""

import ctypes

# From <malloc.h>, see mallopt(3).
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
# These are glibc's initial thresholds. It raises them for good when a larger block is freed: after one
# password's hash, which takes 16 MB, it keeps up to 32 MB of freed memory, in each of eight arenas for each
# processor.
THRESHOLD_BYTES = 131_072
ARENAS = 2


def give_freed_memory_back() -> bool:
    """Make glibc return freed memory, however large the blocks. Return False if there is no glibc."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    options = (
        (M_MMAP_THRESHOLD, THRESHOLD_BYTES),
        (M_TRIM_THRESHOLD, THRESHOLD_BYTES),
        (M_ARENA_MAX, ARENAS),
    )
    return all(mallopt(option, value) for option, value in options)
