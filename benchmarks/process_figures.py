"""The kernel's figures about a process (Linux, proc(5))."""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PROCESSES = Path("/proc")
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Figures:
    """The figures of a process. `cpu_seconds` is user and system time since its start."""

    resident_bytes: int
    threads: int
    cpu_seconds: float


def figures_of(pid: int) -> Figures:
    lines = (line.split() for line in (_PROCESSES / str(pid) / "status").read_text().splitlines())
    status = {words[0]: words[1] for words in lines if len(words) > 1}
    return Figures(int(status["VmRSS:"]) * 1024, int(status["Threads:"]), _cpu_seconds(_stat(pid)))


def parent_of(pid: int) -> int:
    """Return the id of the parent process. Raises OSError if there is no such process on this machine."""
    return int(_stat(pid)[1])


def family_cpu_seconds(parent: int) -> float:
    """Return user and system time of a process and its living children, in seconds."""
    total = 0.0
    for pid in (int(folder.name) for folder in _PROCESSES.iterdir() if folder.name.isdecimal()):
        with suppress(OSError):  # the process has ended meanwhile
            fields = _stat(pid)
            if parent in (pid, int(fields[1])):
                total += _cpu_seconds(fields)
    return total


def _stat(pid: int) -> list[str]:
    # The fields before these are the process id and the program's name in brackets, which may contain spaces.
    return (_PROCESSES / str(pid) / "stat").read_text().rpartition(")")[2].split()


def _cpu_seconds(stat: list[str]) -> float:
    return (int(stat[11]) + int(stat[12])) / _TICKS
