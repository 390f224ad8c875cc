"""Announcement of SIGTERM and SIGINT inside the process before the server acts upon them."""

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def announced(begin: Callable[[], None], *, seconds: float) -> Iterator[None]:
    """Inside this context, call ``begin`` at the first signal, and pass the signal to the server later.

    The server gets the signal after ``seconds``. ``begin`` runs on the current event loop. A second signal is
    passed to the server at once, in place of the first: after two signals, uvicorn would end without an
    orderly shutdown. Outside the main thread, where Python handles no signals, this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    known = {number: signal.getsignal(number) for number in SIGNALS}
    has_begun = was_passed = False

    def pass_on(number: int, frame: FrameType | None) -> None:
        nonlocal was_passed
        was_passed = True
        handler = known[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)

    def pass_on_late(number: int) -> None:
        if not was_passed:
            pass_on(number, None)

    def take(number: int, frame: FrameType | None) -> None:
        nonlocal has_begun
        if has_begun or loop.is_closed():
            pass_on(number, frame)
            return
        has_begun = True
        loop.call_soon_threadsafe(begin)
        loop.call_soon_threadsafe(loop.call_later, seconds, pass_on_late, number)

    for number in SIGNALS:
        signal.signal(number, take)
    try:
        yield
    finally:
        for number, handler in known.items():
            signal.signal(number, handler)
