"""Cached rows, whose cache lasts for a second by a clock that the test moves."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import pytest
from django.test import override_settings

from checkout.database import remembered

# Later than the time of everything that an earlier test has cached.
_LATER = count(10_000_000, 10_000_000)


class Clock:
    """A monotonic clock that stands still until the test moves it."""

    def __init__(self) -> None:
        self.now = float(next(_LATER))

    def __call__(self) -> float:
        return self.now


@contextmanager
def remembering(seconds: float = 1.0) -> Iterator[Clock]:
    """Cache rows for so many seconds inside this context. Yield the clock that counts the seconds."""
    clock = Clock()
    with (
        override_settings(CHECKOUT_REMEMBER_SECONDS=seconds),
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(remembered, "monotonic", clock)
        yield clock
