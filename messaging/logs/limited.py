"""A limit on log lines that other programs can cause."""

import time
from collections.abc import Callable
from dataclasses import dataclass

MOST = 20
SECONDS = 10.0


@dataclass(slots=True)
class _Window:
    until: float = 0.0
    written: int = 0
    left_out: int = 0


_windows: dict[str, _Window] = {}


def write_limited(write: Callable[..., object], event: str, **fields: object) -> None:
    """Write a line about ``event``, unless ``MOST`` such lines were written within ``SECONDS``.

    The first line after that has the number of omitted lines in the field ``left_out``.
    """
    window = _windows.setdefault(event, _Window())
    if time.monotonic() >= window.until:
        window.until, window.written = time.monotonic() + SECONDS, 0
    if window.written >= MOST:
        window.left_out += 1
        return
    window.written += 1
    if window.left_out:
        fields["left_out"], window.left_out = window.left_out, 0
    write(event, **fields)
