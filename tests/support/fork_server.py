"""Processes of the product that are forked from a process with the libraries imported already.

Importing them takes half of the processor time of a start, and a stack has ten processes. A forked process is
as real as any other: it has its own id, session, environment and log, and reads its settings after the fork.
"""

import atexit
import ctypes
import fcntl
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
# The libraries, and the one module of ours that loads slowly and needs no settings.
IMPORTED = (
    *("aiohttp", "channels.layers", "cryptography.fernet", "django.contrib.admin", "django.core.management"),
    *(
        "django.db.backends.postgresql.base",
        "django.template",
        "django.test.signals",
        "django.urls",
        "joserfc.jwe",
    ),
    *("msgspec", "pika", "psycopg_pool", "requests", "structlog", "uvicorn.main", "uvloop"),
    "payments_gateway.environment",
)
# Variables that an interpreter or its linker reads at its start, so that a fork cannot change them.
READ_AT_START = ("PYTHON", "LD_", "FAKETIME")
# The variable with more folders of modules.
SEARCHED = "PYTHONPATH"
# Above all numbers that a program's descriptors have.
SPARE_DESCRIPTOR = 600
# The option of Linux's prctl(2) that names the signal for the death of the parent.
SIGNAL_OF_PARENTS_DEATH = 1
_started: list["_Server"] = []
_is_used = False


def use() -> None:
    """From now on, fork the programs that may be forked."""
    global _is_used
    _is_used = True


def can_start(command: Sequence[str], environment: Mapping[str, str]) -> bool:
    """Return True if a fork would behave like a new process with this command and environment."""
    return (
        _is_used
        and command[0] == sys.executable
        and _read_at_start(environment) == _read_at_start(_environment())
    )


class Forked:
    """A process that the server has forked, with the methods of ``subprocess.Popen`` that tests use."""

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        output: int,
        errors: int,
        descriptors: Sequence[int] = (),
    ) -> None:
        if not _started:
            _started.append(_Server())
        self._command = list(command)
        self._code: int | None = None
        self._news, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        order = {
            "command": self._command[1:],
            "environment": dict(environment),
            "descriptors": list(descriptors),
        }
        with theirs:
            _started[0].send(json.dumps(order).encode(), [theirs.fileno(), output, errors, *descriptors])
        self.pid = int(self._news.recv(64))

    def poll(self) -> int | None:
        """Return the exit code, or None while the process runs."""
        return self._code_within(0)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the exit code. Raises ``subprocess.TimeoutExpired``."""
        code = self._code_within(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(self._command, timeout or 0)
        return code

    def kill(self) -> None:
        """Send SIGKILL unless the process is known to have ended."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)

    def _code_within(self, seconds: float | None) -> int | None:
        if self._code is None and select.select([self._news], [], [], seconds)[0]:
            self._code = int(self._news.recv(64))
            self._news.close()
        return self._code


def run(command: Sequence[str], environment: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
    """Run a program to its end, and return its exit code and its output."""
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        process = Forked(command, environment, output=output.fileno(), errors=errors.fileno())
        code = process.wait()
        for file in (output, errors):
            file.seek(0)
        return subprocess.CompletedProcess(command, code, output.read(), errors.read())


class _Server:
    """The process with the libraries. It ends with this process, and its children end with it."""

    def __init__(self) -> None:
        self._orders, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(theirs.fileno())],
                cwd=ROOT,
                env=_environment(),
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        atexit.register(self._stop)

    def send(self, order: bytes, descriptors: list[int]) -> None:
        socket.send_fds(self._orders, [order], descriptors)

    def _stop(self) -> None:
        self._orders.close()
        self._process.wait()


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONUNBUFFERED": "1"}


def _read_at_start(environment: Mapping[str, str]) -> dict[str, str]:
    found = {name: value for name, value in environment.items() if name.startswith(READ_AT_START)}
    found.pop("PYTHONUNBUFFERED", "")  # set in the server, without an effect on the output
    if SEARCHED not in os.environ:
        found.pop(SEARCHED, "")  # the server has none, and a fork adds its own
    return found


def _serve(orders: socket.socket) -> list[str]:
    """Fork a child for each request. Return in the child, with the command to run."""
    woken, wakes = socket.socketpair()
    for end in (woken, wakes):
        end.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wakes.fileno())
    running: dict[int, socket.socket] = {}
    while True:
        ready, _, _ = select.select([orders, woken], [], [])
        if woken in ready:
            woken.recv(4096)
            _tell_of_ended(running)
        if orders in ready:
            order, descriptors, _, _ = socket.recv_fds(orders, 1 << 20, 32)
            if not order:
                os._exit(0)
            news = socket.socket(fileno=descriptors[0])
            pid = os.fork()
            if not pid:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                for end in (orders, woken, wakes, news, *running.values()):
                    end.close()
                return _become(json.loads(order), descriptors[1:])
            running[pid] = news
            news.send(str(pid).encode())
            for descriptor in descriptors[1:]:
                os.close(descriptor)


def _tell_of_ended(running: dict[int, socket.socket]) -> None:
    while running:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        with running.pop(pid) as news, suppress(OSError):  # the test process may have ended
            news.send(str(os.waitstatus_to_exitcode(status)).encode())


def _become(order: dict[str, Any], received: list[int]) -> list[str]:
    """Take the session, environment and descriptors of the program. Return its command."""
    os.setsid()
    if sys.platform == "linux":
        # Tests that are killed cannot stop the programs that they started.
        ctypes.CDLL(None).prctl(SIGNAL_OF_PARENTS_DEATH, signal.SIGKILL)
    os.environ.clear()
    os.environ.update(order["environment"])
    if SEARCHED in os.environ:
        # After the program's own folder, as in a new interpreter.
        sys.path[1:1] = os.environ[SEARCHED].split(os.pathsep)
    # First all are moved to high numbers, because the number of one may be the target of another.
    spare = [fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, SPARE_DESCRIPTOR) for descriptor in received]
    for descriptor in received:
        os.close(descriptor)
    for place, descriptor in zip([1, 2, *order["descriptors"]], spare, strict=True):
        os.dup2(descriptor, place)
        os.close(descriptor)
    command: list[str] = order["command"]
    return command


def main() -> None:
    """Answer requests, and run a program in each child."""
    for name in IMPORTED:
        importlib.import_module(name)
    # A garbage collection in a child would write to memory that is shared, and so copy it.
    gc.freeze()
    command = _serve(socket.socket(fileno=int(sys.argv[1])))
    gc.unfreeze()
    is_module = command[0] == "-m"
    sys.argv = command[1:] if is_module else command
    if is_module:
        runpy.run_module(command[1], run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(command[0], run_name="__main__")


if __name__ == "__main__":
    main()
