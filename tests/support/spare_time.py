"""Programs that only get processor time that all others leave unused, as if they ran on another machine."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

# The folders of the controller for processor time, in version 1 and version 2 of Linux's control groups.
CONTROLLERS = (Path("/sys/fs/cgroup/cpu"), Path("/sys/fs/cgroup"))


class SpareTime:
    """A group of processes that yield the processor at once, or, without groups, have the lowest weight."""

    def __init__(self, group: Path | None) -> None:
        self._group = group

    def take(self, pid: int) -> None:
        """Give only spare time to a process that leads a session, and to the processes that it starts later.

        Without a group the weight of its session is lowered. Linux shares processor time among sessions first
        (sched(7), "The autogroup feature"), and the nice value only counts within a session.
        """
        if self._group is not None:
            (self._group / "cgroup.procs").write_text(str(pid))
            return
        os.setpriority(os.PRIO_PROCESS, pid, 19)
        with suppress(OSError):  # autogroups may be off
            Path(f"/proc/{pid}/autogroup").write_text("19")


@contextmanager
def spare_time() -> Iterator[SpareTime]:
    """Make a group for processes that end before the block does, if this user may make one."""
    group = _idle_group()
    try:
        yield SpareTime(group)
    finally:
        if group is not None:
            group.rmdir()


def _idle_group() -> Path | None:
    """Return a new group of idle processes; None if the user may not make one, or Linux is before 5.15."""
    for controller in CONTROLLERS:
        group = controller / f"spare-time-{os.getpid()}"
        with suppress(OSError):
            group.mkdir()
            try:
                (group / "cpu.idle").write_text("1")
            except OSError:
                group.rmdir()
                raise
            return group
    return None
