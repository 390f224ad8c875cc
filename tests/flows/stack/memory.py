"""The memory of a process, measured during a test."""

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.program import Program

RESIDENT = re.compile(r"^VmRSS:\s+(\d+) kB$", re.MULTILINE)


def resident_mb(program: Program) -> float:
    """Return the program's resident set, from /proc (proc(5))."""
    found = RESIDENT.search(Path(f"/proc/{program.pid}/status").read_text())
    assert found is not None
    return int(found[1]) / 1024


def resident_mb_of_all(program: Program) -> float:
    """Return the resident sets of the program and its children. Shared memory is counted several times."""
    children = Path(f"/proc/{program.pid}/task/{program.pid}/children").read_text().split()
    texts = [Path(f"/proc/{pid}/status").read_text() for pid in (str(program.pid), *children)]
    return sum(int(found[1]) for text in texts if (found := RESIDENT.search(text))) / 1024


@dataclass
class Watch:
    """A context that measures the program's memory; `peak_mb` is the highest value."""

    program: Program
    measure: Callable[[Program], float] = resident_mb
    peak_mb: float = 0.0
    _over: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread = field(init=False)

    def __enter__(self) -> "Watch":
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_details: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(0.5):
            self.peak_mb = max(self.peak_mb, self.measure(self.program))
