"""Run the Procfile's processes, each connecting to the broker as its own user.

A process that dies is started again. If it dies at its start, all are stopped, since another start would not
help. BROKER_URL is the broker's address, and BROKER_PASSWORDS names a JSON file with the password of each
user. If BROKER_PASSWORDS is not set, every process gets the same BROKER_URL.
"""

import json
import multiprocessing
import os
import signal
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any
from urllib.parse import SplitResult, quote, urlsplit

from honcho import environ
from honcho.manager import Manager
from honcho.printer import Message, Printer
from honcho.process import Popen, Process

ROOT = Path(__file__).resolve().parent.parent


# A process that dies sooner has wrong settings, or something that it needs is missing.
LEAST_SECONDS = 10.0
ENDING = multiprocessing.Event()


class Events:
    """The queue of a process's events for honcho's manager. It keeps back the end of the process."""

    def __init__(self, events: Any) -> None:
        self._events = events
        self.end = Message("stop", {"returncode": 1}, None, "", None)

    def put(self, event: Message) -> None:
        """Pass an event on, but keep the one about the end."""
        if event.type == "stop":
            self.end = event
        else:
            self._events.put(event)


class KeptProcess(Process):  # type: ignore[misc]  # honcho has no types
    """A process that is started again when it dies."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        # While honcho waits for a process, it ignores the signals to stop, and a new process would inherit
        # that.
        self._child_ctor = partial(Popen, preexec_fn=_hear_signals)

    def run(self, events: Any = None, ignore_signals: bool = False) -> None:
        """Run until all processes are to end. honcho calls this in a process of its own."""
        while True:
            began, seen = monotonic(), Events(events)
            super().run(seen, ignore_signals)
            code = seen.end.data["returncode"]
            if ENDING.is_set() or not code or monotonic() - began < LEAST_SECONDS:
                events.put(seen.end)
                return
            how = f"was killed by signal {-code}" if code < 0 else f"has ended with {code}"
            events.put(seen.end._replace(type="line", data=f"{self.name} {how}: it is started again\n"))


def _hear_signals() -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


class KeepingManager(Manager):  # type: ignore[misc]
    """A manager whose processes end only when all of them do."""

    def __init__(self, printer: Printer) -> None:
        super().__init__(printer)
        self._process_ctor = KeptProcess

    def terminate(self) -> None:
        """Terminate all processes once all have started: a signal may arrive before their ids are known."""
        ENDING.set()
        self._all_started()

    def _all_started(self) -> bool:
        """Return True if all ids are known. The main loop calls this in every round."""
        have_started = bool(super()._all_started())
        if have_started and ENDING.is_set():
            super().terminate()
        return have_started


def main() -> int:
    manager = KeepingManager(Printer(sys.stdout))
    own = Path(".env")
    more = environ.parse(own.read_text()) if own.exists() else {}
    for name, command in environ.parse_procfile((ROOT / "Procfile").read_text()).processes.items():
        manager.add_process(name, command, env=environment_of(name, {**os.environ, **more}))
    manager.loop()
    return int(manager.returncode or 0)


def environment_of(process: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of one process, with its own broker password only."""
    own = dict(environment)
    file = own.pop("BROKER_PASSWORDS", "")
    if not file:
        return own
    passwords: dict[str, str] = json.loads(Path(file).read_text())
    user = f"{own.get('CHECKOUT_PREFIX', 'checkout')}.{process}"
    url = urlsplit(own.pop("BROKER_URL"))
    if user in passwords:  # the sandbox does not connect to the broker
        own["BROKER_URL"] = with_user(url, user, passwords[user])
    return own


def with_user(url: SplitResult, user: str, password: str) -> str:
    """Return the broker's address with this user in place of any other."""
    host = url.netloc.rpartition("@")[2]
    return url._replace(netloc=f"{quote(user, safe='')}:{quote(password, safe='')}@{host}").geturl()


if __name__ == "__main__":
    sys.exit(main())
