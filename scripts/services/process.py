"""The parts that both services share: start a process, wait until it answers, and end it."""

import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Protocol

START_SECONDS = 90
STOP_SECONDS = 30


class ServiceError(Exception):
    """A service cannot be started here. The message gives the reason and the remedy."""


class Service(Protocol):
    """A program that was started, the environment variables for its users, and how to end it."""

    name: str
    environment: dict[str, str]

    def start(self) -> None: ...
    def stop(self) -> None: ...


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 on which no program listens, and reserve it until this process ends.

    The port stays bound here, so that the kernel gives it to no other socket before the intended program
    listens on it. Servers set SO_REUSEADDR, with which they can listen on such a port.
    """
    probe = socket.socket()
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    probe.bind(("127.0.0.1", 0))
    port: int = probe.getsockname()[1]
    probe.detach()  # the descriptor stays open
    return port


def spawn(
    command: Sequence[str | Path], log: IO[bytes], environment: Mapping[str, str], user: str | None = None
) -> subprocess.Popen[bytes]:
    """Start a process in its own session, so that Ctrl-C reaches only the caller, which then stops it."""
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        env=environment,
        cwd="/",
        start_new_session=True,
        user=user,
        group=user,
        extra_groups=[] if user else None,
    )


def wait_until(ready: Callable[[], bool], process: subprocess.Popen[bytes], name: str, log: Path) -> None:
    """Poll until the service answers. Raises ServiceError with the end of its log if it never does."""
    deadline = time.monotonic() + START_SECONDS
    while not ready():
        if process.poll() is not None:
            raise ServiceError(f"{name} ended with code {process.returncode}. {tail(log)}")
        if time.monotonic() > deadline:
            raise ServiceError(f"{name} did not answer within {START_SECONDS} seconds. {tail(log)}")
        time.sleep(0.1)


def end(process: subprocess.Popen[bytes] | None, first_signal: signal.Signals = signal.SIGTERM) -> None:
    """Send a process `first_signal`, and kill it if it has not ended after STOP_SECONDS."""
    if process is None or process.poll() is not None:
        return
    process.send_signal(first_signal)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def tail(log: Path, lines: int = 20) -> str:
    """Return the last lines of a log, for an error message."""
    text = log.read_text(errors="replace") if log.exists() else ""
    return "\n".join([f"The end of {log}:", *text.splitlines()[-lines:]])
