"""How much memory a process holds, watched while a test goes on."""

import re
import threading
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.program import Program

RESIDENT = re.compile(r"^VmRSS:\s+(\d+) kB$", re.MULTILINE)


def resident_mb(program: Program) -> float:
    """Its resident set, from /proc (proc(5))."""
    found = RESIDENT.search(Path(f"/proc/{program.pid}/status").read_text())
    assert found is not None
    return int(found[1]) / 1024


@dataclass
class Watch:
    """While the block runs, `peak_mb` is the most that the program has held."""

    program: Program
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
            self.peak_mb = max(self.peak_mb, resident_mb(self.program))
