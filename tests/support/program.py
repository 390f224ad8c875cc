"""One process of the product, started by a test."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support import fork_server
from tests.support.fork_server import ROOT, Forked
from tests.support.waiting import wait_until

__all__ = ["ROOT", "Program"]


def run(command: Sequence[str], environment: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
    """Run a program of the product to its end, forked if that is in use, and return its code and output."""
    if fork_server.can_start(command, environment):
        return fork_server.run(command, environment)
    return subprocess.run(
        command,
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


class Program:
    """A process with its log. `start` after `kill` or `terminate` starts it again, and the log goes on.

    With `may_be_forked` it may be a fork instead of a new interpreter (see `tests.support.fork_server`).
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        log: Path,
        environment: Mapping[str, str],
        descriptors: Sequence[int] = (),
        may_be_forked: bool = False,
    ) -> None:
        self.name = name
        self.log = log
        self._command = command
        self._environment = environment
        self._descriptors = descriptors
        self._may_be_forked = may_be_forked
        self._process: subprocess.Popen[bytes] | Forked | None = None

    def start(self, **environment: str) -> None:
        """Start the program, with `environment` overriding its settings for this run."""
        own = {**self._environment, **environment}
        with self.log.open("ab") as output:
            if self._may_be_forked and fork_server.can_start(self._command, own):
                self._process = Forked(
                    self._command,
                    own,
                    output=output.fileno(),
                    errors=output.fileno(),
                    descriptors=self._descriptors,
                )
                return
            self._process = subprocess.Popen(
                self._command,
                cwd=ROOT,
                env=own,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=self._descriptors,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        assert self._process is not None, f"{self.name} was not started"
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """Return the exit code, or None while the program runs or if it was never started."""
        return self._process.poll() if self._process is not None else None

    def pause(self) -> None:
        """Stop the program until `go_on`, without its noticing."""
        if self.is_alive:
            os.kill(self.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        """Let the program go on after `pause`."""
        if self.is_alive:
            os.kill(self.pid, signal.SIGCONT)

    def kill(self) -> None:
        """Send SIGKILL, which has the effect of a crash or of the kernel's out-of-memory killer."""
        if self.is_alive:
            os.kill(self.pid, signal.SIGKILL)
            self.wait(seconds=10)

    def terminate(self, *, seconds: float = 30) -> int:
        """Send SIGTERM, as a deployment does. Return the exit code."""
        if self.is_alive:
            os.kill(self.pid, signal.SIGTERM)
        return self.wait(seconds=seconds)

    def text(self) -> str:
        """Return the whole log."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def wait_for_line(self, text: str, *, seconds: float = 30) -> None:
        """Wait until the log contains this text."""
        wait_until(lambda: text in self.text(), f"{text!r} in the log of {self.name}", seconds=seconds)

    def wait(self, *, seconds: float) -> int:
        """Wait for the exit code. After `seconds`, kill the program and raise AssertionError."""
        assert self._process is not None, f"{self.name} was not started"
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise AssertionError(f"{self.name} did not end within {seconds:g} s") from None
