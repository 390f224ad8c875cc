"""Child processes that are stopped when the work of their parent ends, for any reason."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

READY_SECONDS = 60
STOP_SECONDS = 20
POLL_SECONDS = 0.1
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class ChildFailed(Exception):
    """A child process ended by itself, or did not become ready. The text contains the end of its log."""


class Stopped(Exception):
    """This process has received a signal to stop."""


@dataclass(frozen=True, slots=True)
class Child:
    """A process in a session of its own. Ctrl-C reaches only the parent, which then stops the child."""

    name: str
    log: Path
    process: subprocess.Popen[bytes]

    def log_tail(self, lines: int = 15) -> str:
        """Return the end of the child's log, with the log's path."""
        text = self.log.read_text(errors="replace").splitlines()[-lines:]
        return "\n".join([f"--- the end of {self.log}", *text])

    def signal_group(self, number: signal.Signals) -> None:
        """Send a signal to the process and its own children.

        Their group exists as long as one of them runs.
        """
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)


class Children:
    """Processes that are started in ``root`` and stopped at the end of the ``with`` block.

    Within the block, signals to stop only set a flag, so that every started process is known and stopped.
    Every wait checks the flag and raises ``Stopped``.
    """

    def __init__(self, root: Path, logs: Path, environment: Mapping[str, str]) -> None:
        self._root = root
        self._logs = logs
        self._environment = environment
        self._started: list[Child] = []
        self._handlers_before: dict[signal.Signals, signal._HANDLER] = {}
        self._is_stop_wanted = False

    def __enter__(self) -> "Children":
        self._handlers_before = {number: signal.signal(number, self._note) for number in STOP_SIGNALS}
        return self

    def __exit__(self, *details: object) -> None:
        for child in self._started:
            child.signal_group(signal.SIGTERM)
        for child in self._started:
            with suppress(subprocess.TimeoutExpired):
                child.process.wait(STOP_SECONDS)
            child.signal_group(signal.SIGKILL)
            child.process.wait()
        for number, handler in self._handlers_before.items():
            signal.signal(number, handler)

    def start(self, name: str, command: Sequence[str]) -> Child:
        """Start a command that keeps running. Its output goes to ``<name>.log``."""
        log = self._logs / f"{name}.log"
        with log.open("wb") as output:
            child = Child(name, log, self._popen(command, output.fileno()))
        self._started.append(child)
        return child

    def run(self, name: str, command: Sequence[str]) -> None:
        """Run a command to its end. Raises ``ChildFailed`` unless it succeeds."""
        child = self.start(name, command)
        self._wait_for(child.process)
        self._started.remove(child)
        if child.process.returncode:
            raise ChildFailed(_ended(child))

    def run_visibly(self, command: Sequence[str]) -> int:
        """Run a command that prints to this process's own output. Returns its exit code."""
        process = self._popen(command, None)
        self._started.append(Child("", Path(os.devnull), process))
        self._wait_for(process)
        self._started.pop()
        return process.returncode

    def wait_until_ready(self, child: Child, is_ready: Callable[[], bool]) -> None:
        """Poll until ``child`` is ready. Raises ``ChildFailed`` if it ends first or takes too long."""
        deadline = time.monotonic() + READY_SECONDS
        while not is_ready():
            if child.process.poll() is not None:
                raise ChildFailed(_ended(child))
            if time.monotonic() > deadline:
                raise ChildFailed(f"{child.name} is not ready after {READY_SECONDS} s.\n{child.log_tail()}")
            self._pause()

    def wait_until_stopped(self) -> None:
        """Wait until a signal raises ``Stopped``. Raises ``ChildFailed`` if a child ends first."""
        while True:
            for child in self._started:
                if child.process.poll() is not None:
                    raise ChildFailed(_ended(child))
            self._pause()

    def log_tails(self) -> str:
        """Return the end of every log."""
        return "\n".join(child.log_tail() for child in self._started)

    def _popen(self, command: Sequence[str], output: int | None) -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603  commands of our own
            command,
            cwd=self._root,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output and subprocess.STDOUT,
            start_new_session=True,
        )

    def _wait_for(self, process: subprocess.Popen[bytes]) -> None:
        while process.poll() is None:
            self._pause()

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self._is_stop_wanted = True

    def _pause(self) -> None:
        if self._is_stop_wanted:
            raise Stopped
        time.sleep(POLL_SECONDS)


def _ended(child: Child) -> str:
    return f"{child.name} ended with code {child.process.returncode}.\n{child.log_tail()}"
