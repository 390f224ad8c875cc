"""A PostgreSQL server with a synchronous standby, set up by the commands of docs/database-and-broker.md."""

import secrets
import shlex
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import psycopg

from scripts.services.postgresql import ROLE, Postgresql
from scripts.services.process import ServiceError, end, tail
from tests.support.program import ROOT
from tests.support.waiting import wait_until

SECTION = "## PostgreSQL with a standby"
AS_POSTGRES = "runuser -u postgres -- "
# Acknowledged commits must be at the standby, and the times of commits are compared after a failover.
SETTINGS = ("synchronous_commit=on", "track_commit_timestamp=on")


class Server(Postgresql):
    """One of the two servers. Without data it starts as a copy, and standby, of ``source`` if that is set."""

    source: "Server | None" = None

    def create_cluster(self, output: IO[bytes]) -> None:
        """Make a new cluster, or a copy of the source's."""
        if self.source is None:
            super().create_cluster(output)
            return
        place = f"host=127.0.0.1 port={self.source.port} user={ROLE} application_name=standby"
        command = [
            f"--pgdata={self.data}" if word.startswith("--pgdata=") else word
            for word in documented("pg_basebackup")
            if not word.startswith("--dbname=")
        ]
        if self.spawn([*command, f"--dbname={place}"], output).wait() != 0:
            raise ServiceError(f"pg_basebackup failed. {tail(self.folder / 'postgresql.log')}")

    def run(self, statement: str) -> list[tuple[Any, ...]]:
        """Run a statement outside of any transaction and return the rows, if any."""
        with psycopg.connect(self.url, autocommit=True, connect_timeout=5) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def carry_out(self, *texts: str) -> list[tuple[Any, ...]]:
        """Run the documented statements that contain these texts, and return the rows of the last one."""
        rows: list[tuple[Any, ...]] = []
        for text in texts:
            rows = self.run(documented(text)[-1])
        return rows

    def kill(self) -> None:
        """Kill the server, as a power cut would."""
        end(self._server, signal.SIGKILL)

    def start_fenced(self) -> None:
        """Start the server so that it refuses writes, and clients that want to write disconnect."""
        self.settings = (*self.settings, "default_transaction_read_only=on")
        self.start()

    def forget(self) -> None:
        """Stop the server and delete its data, so that it starts as a copy of the other one."""
        self.crash()
        self.settings = SETTINGS
        shutil.rmtree(self.data)


class Pair:
    """A primary and its synchronous standby, which can take its place any number of times.

    It can be used like a single `Postgresql`, and then stands for the present primary.
    """

    name = "PostgreSQL with a standby"

    def __init__(self, folder: Path, *, durable: bool = False) -> None:
        password = secrets.token_hex(16)
        servers = []
        for name in ("a", "b"):
            (folder / name).mkdir(parents=True)
            # If we are root, PostgreSQL runs as another user, which must be able to enter these folders.
            folder.chmod(0o711)
            secret = folder / name / "password"
            secret.touch(mode=0o600)
            secret.write_text(password)
            servers.append(Server(folder / name, durable=durable, settings=SETTINGS))
        self.servers = tuple(servers)
        self.primary, self.standby = servers
        self.environment: dict[str, str] = {}

    @property
    def url(self) -> str:
        """The address of the present primary alone."""
        return self.primary.url

    def start(self) -> None:
        """Start both servers, or the primary again after it was shut down."""
        self.primary.start()
        if self.environment:
            return
        self.add_standby()
        hosts = ",".join(f"127.0.0.1:{server.port}" for server in self.servers)
        alone = f"127.0.0.1:{self.primary.port}"
        url = self.primary.url.replace(alone, hosts)
        # For the gateway ours is the default. The libraries with which tests connect have to be told.
        self.environment = {
            "DATABASE_URL": f"{url}?target_session_attrs=read-write",
            "DATABASE_REPLICA_URL": f"{url}?target_session_attrs=prefer-standby",
        }

    def stop(self) -> None:
        """Stop both servers. Without a primary, a standby alone cannot confirm commits."""
        for server in self.servers:
            server.crash()

    def crash(self) -> None:
        """Shut the primary down without warning."""
        self.primary.crash()

    def add_standby(self) -> None:
        """Start the other server as a synchronous standby of the primary. Commits wait for it from now on."""
        self.standby.source = self.primary
        self.standby.start()
        self.primary.carry_out("SYSTEM SET synchronous_standby_names", "pg_reload_conf")
        wait_until(
            lambda: ("standby", "sync") in self.primary.carry_out("pg_stat_replication"), "the standby"
        )

    def fence(self) -> None:
        """Make the primary refuse writes, while it goes on running."""
        self.primary.carry_out("default_transaction_read_only", "pg_reload_conf", "pg_terminate_backend")

    def promote(self) -> None:
        """Make the standby the primary. The former primary is ``standby``, until it is copied anew."""
        self.standby.carry_out("pg_promote", "SYSTEM RESET synchronous_standby_names", "pg_reload_conf")
        self.primary, self.standby = self.standby, self.primary

    def make_anew(self) -> None:
        """Make the former primary a standby of the present one, by a new copy."""
        self.standby.forget()
        self.add_standby()


@contextmanager
def pair(folder: Path) -> Iterator[Pair]:
    """Yield a running pair."""
    made = Pair(folder)
    try:
        made.start()
        yield made
    finally:
        made.stop()


def documented(text: str) -> list[str]:
    """Return the words of the documented command that contains ``text``, without the user that runs it."""
    section = (ROOT / "docs/database-and-broker.md").read_text().partition(SECTION)[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith(AS_POSTGRES) and text in line]
    # The same command may be documented more than once.
    [line] = set(lines)
    return shlex.split(line.removeprefix(AS_POSTGRES))
