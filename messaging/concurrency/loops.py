"""The event loop for synchronous code in other threads: the serving loop, or one in a background thread."""

import asyncio
import os
import threading

_serving: asyncio.AbstractEventLoop | None = None
_own: asyncio.AbstractEventLoop | None = None
_lock = threading.Lock()


def serve_on(loop: asyncio.AbstractEventLoop) -> None:
    """Remember the loop that serves this process."""
    global _serving
    _serving = loop


def loop_for_threads() -> asyncio.AbstractEventLoop:
    """Return the serving loop if it runs, else a loop in a background thread, started when first used."""
    if _serving is not None and _serving.is_running():
        return _serving
    global _own
    with _lock:
        if _own is None:
            _own = asyncio.new_event_loop()
            threading.Thread(target=_own.run_forever, name="messaging", daemon=True).start()
        return _own


def _forget_loops() -> None:
    """Drop the loops after a fork, because the threads that ran them do not exist in the child."""
    global _serving, _own, _lock
    _serving = _own = None
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_forget_loops)
