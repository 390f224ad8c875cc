"""A merchant's program that listens to all events: the example program, which imports nothing of ours.

It has a broker user and a durable queue of its own, as docs/messages.md describes. It connects through the
breakable link, so it gets many events again.
"""

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from messaging.access.participants import Participants
from tests.examples.programs import subscriber
from tests.support.broker_users import LISTENER, make_users, url_of
from tests.support.program import Program
from tests.support.stack import Stack

EVERY_EVENT = "*.*.*"
HEARD = "SELECT id FROM handled"


class Listener:
    """The program, which stores the ids of events in a folder, and connects to the broker at this address."""

    def __init__(self, folder: Path, broker_url: str) -> None:
        address = _first_node(url_of(LISTENER.name, broker_url))
        self._folder = folder
        self.program: Program = subscriber(folder, EVERY_EVENT, BROKER_URL=address)

    def start(self, stack: Stack, control: str) -> None:
        """Make the program's user, and start the program when the exchange exists. Return when it listens."""
        make_users(stack.broker_url, program=control, table=Participants([LISTENER]))
        self.program.start()
        self.program.wait_for_line("ready")

    def stop(self) -> None:
        """Kill it."""
        self.program.kill()

    def mishaps(self) -> list[str]:
        """Return why the program ended, if it did so before the end of the campaign."""
        if self.program.is_alive:
            return []
        last = self.program.text().strip().rpartition("\n")[2]
        return [f"the listener ended by itself: {last}"]

    def heard(self) -> set[str]:
        """Return the ids of the events that the program has got so far."""
        with closing(sqlite3.connect(self._folder / "events.sqlite3", timeout=30)) as records:
            return {id for (id,) in records.execute(HEARD)}


def _first_node(url: str) -> str:
    """Return the address of one node of a cluster, because the example supports no more."""
    parts = urlsplit(url)
    login, at, hosts = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{login}{at}{hosts.partition(',')[0]}"))
