"""Outages of the broker or a database, which are logged when they begin and when they are over."""

import threading
import time
from collections.abc import Callable, Sequence
from weakref import WeakSet

import structlog

log = structlog.get_logger(__name__)

# Some attempts may succeed during an outage, for example those on connections that still work.
QUIET_SECONDS = 2.0

_known: "WeakSet[Outage]" = WeakSet()
_knowing = threading.Lock()


def known() -> "Sequence[Outage]":
    """Return an ``Outage`` for each thing that this process has needed so far."""
    with _knowing:
        return list(_known)


class Outage:
    """A record of whether one thing, for example the broker or a database, can be reached by this process.

    The first failure is logged as an error. Later failures are only counted. When there was a success, and no
    failure for ``quiet_seconds``, the end is logged with the time until that success. Any thread may report,
    and a success without a failure before it costs next to nothing.
    """

    def __init__(self, what: str, *, quiet_seconds: float = QUIET_SECONDS, **about: object) -> None:
        self.what = what
        self.about = about
        self._quiet_seconds = quiet_seconds
        self._lock = threading.Lock()
        self._failures = 0
        self._began = self._failed_at = 0.0
        self._answered_at: float | None = None
        with _knowing:
            _known.add(self)

    @property
    def is_on(self) -> bool:
        """Return True from the first failure until the end is logged."""
        return self._failures > 0

    def failed(self, reason: str | Callable[[], str], **about: object) -> None:
        """Report a failed attempt. ``reason`` may be a function, which is called at the first failure."""
        with self._lock:
            now = time.monotonic()
            self._failures += 1
            self._failed_at, self._answered_at = now, None
            if self._failures > 1:
                return
            self._began = now
        told = reason if isinstance(reason, str) else reason()
        log.error(f"{self.what} not reachable", reason=told, **self.about, **about)

    def answered(self) -> None:
        """Report a success."""
        if not self._failures:
            return
        with self._lock:
            now = time.monotonic()
            if not self._failures:
                return
            if self._answered_at is None:
                self._answered_at = now
            if now - self._failed_at < self._quiet_seconds:
                return
            failures, self._failures = self._failures, 0
            seconds = self._answered_at - self._began
        text = f"{self.what} reachable again after {seconds:.0f} s"
        log.warning(text, failures=failures, **self.about)
