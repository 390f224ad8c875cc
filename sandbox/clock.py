"""The speed of the bank's clocks, which shortens or lengthens all its waits and limits at once."""

from sandbox.changes import ChangeSignal


class Clock:
    """A clock that divides every configured time by `scale`: with 60, a minute becomes a second."""

    def __init__(self, scale: float, changes: ChangeSignal) -> None:
        self._first_scale = scale
        self.scale = scale
        self._changes = changes

    def seconds(self, configured: float) -> float:
        return configured / self.scale

    def run_at(self, scale: float) -> None:
        """Set the speed for all waits, those that have begun and future ones."""
        self.scale = scale
        self._changes.notify()

    def reset(self) -> None:
        self.run_at(self._first_scale)
