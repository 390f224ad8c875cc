"""Programs that get the processor time which all others leave, as if they ran on another machine."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

# The places of the controller for processor time: of version 1, and of version 2 of Linux's control groups.
CONTROLLERS = (Path("/sys/fs/cgroup/cpu"), Path("/sys/fs/cgroup"))


class SpareTime:
    """A control group whose processes give way at once, or, without one, processes of the lowest weight."""

    def __init__(self, group: Path | None) -> None:
        self._group = group

    def take(self, pid: int) -> None:
        """Let a process, which leads a session, and those that it starts later have spare time only.

        Without a group the weight of its session is lowered. Linux shares processor time among sessions first
        (sched(7), "The autogroup feature"), and the nice value only counts within one.
        """
        if self._group is not None:
            (self._group / "cgroup.procs").write_text(str(pid))
            return
        os.setpriority(os.PRIO_PROCESS, pid, 19)
        with suppress(OSError):  # the feature may be off
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
    """Return a new group of idle processes; None if this user, or this Linux (before 5.15), makes none."""
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
