"""What the kernel says of a process (Linux, proc(5))."""

import os
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Figures:
    """`cpu_seconds` is user and system time since the process began."""

    resident_bytes: int
    threads: int
    cpu_seconds: float


def figures_of(pid: int) -> Figures:
    folder = Path("/proc") / str(pid)
    lines = (line.split() for line in (folder / "status").read_text().splitlines())
    status = {words[0]: words[1] for words in lines if len(words) > 1}
    # The second field is the program's name in brackets, which may contain blanks.
    fields = (folder / "stat").read_text().rpartition(")")[2].split()
    user, system = int(fields[11]), int(fields[12])
    return Figures(int(status["VmRSS:"]) * 1024, int(status["Threads:"]), (user + system) / _TICKS)
