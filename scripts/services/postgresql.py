"""A private PostgreSQL cluster."""

import os
import pwd
import secrets
import shutil
import signal
import stat
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from scripts.services.process import ServiceError, end, free_port, spawn, tail, wait_until

ROLE = "checkout"
THROW_AWAY = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


class Postgresql:
    """One cluster over TCP with a superuser `checkout` and a database of that name.

    `durable=False` gives up crash safety for speed, which suits temporary data. `settings` are further
    settings of the server, such as "cluster_name=standby".
    """

    name = "PostgreSQL"

    def __init__(
        self, folder: Path, port: int | None = None, *, durable: bool = False, settings: Sequence[str] = ()
    ) -> None:
        self.folder = folder
        self.port = port or free_port()
        self.durable = durable
        self.settings = settings
        self.environment: dict[str, str] = {}
        self._user = unprivileged_user()
        self._binaries = newest_binaries()
        self.data = folder / "data"
        self._log = folder / "postgresql.log"
        self._password = ""
        self._server: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the server and wait until it answers. Raises ServiceError if it cannot run here."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._own(self.folder)
        if self._user is not None and (closed := _closed_to(self._user, self.folder)):
            raise ServiceError(
                f"Root runs PostgreSQL as the user {self._user}, who cannot enter {closed}. Name another "
                "folder with DATA=…, or let others enter it: chmod o+x."
            )
        self._password = self._read_password()
        with self._log.open("ab") as output:
            if not (self.data / "PG_VERSION").exists():
                self.create_cluster(output)
            every = [
                f"port={self.port}",
                "listen_addresses=127.0.0.1",
                "unix_socket_directories=",
                "max_connections=300",
                *(() if self.durable else THROW_AWAY),
                *self.settings,
            ]
            options = [word for setting in every for word in ("-c", setting)]
            self._server = self.spawn(["postgres", "-D", str(self.data), *options], output)
        try:
            wait_until(lambda: self.query("SELECT 1") == "1", self._server, self.name, self._log)
        except BaseException:
            self.stop()
            raise
        if ROLE not in self.query("SELECT datname FROM pg_database").splitlines():
            self.query(f"CREATE DATABASE {ROLE}")
        self.environment = {
            "DATABASE_URL": f"postgres://{ROLE}:{self._password}@127.0.0.1:{self.port}/{ROLE}"
        }

    @property
    def url(self) -> str:
        """The address of the database."""
        return self.environment["DATABASE_URL"]

    def stop(self) -> None:
        """Shut down in "fast" mode (SIGINT): sessions are ended, data is flushed."""
        end(self._server, signal.SIGINT)

    def crash(self) -> None:
        """Shut down in "immediate" mode (SIGQUIT): sessions are dropped, and the next start recovers."""
        end(self._server, signal.SIGQUIT)

    def create_cluster(self, output: IO[bytes]) -> None:
        password_file = self.folder / "password"
        command = ["initdb", "-D", str(self.data), "-U", ROLE, "-A", "scram-sha-256"]
        command += [f"--pwfile={password_file}", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]
        if self.spawn(command, output).wait() != 0:
            owner = f"Root runs it as {self._user}, who must reach that folder. " if self._user else ""
            raise ServiceError(f"PostgreSQL's initdb failed. {owner}{tail(self._log)}")

    def _read_password(self) -> str:
        file = self.folder / "password"
        if not file.exists():
            file.touch(mode=0o600)
            file.write_text(secrets.token_hex(16))
        self._own(file)
        return file.read_text()

    def _own(self, path: Path) -> None:
        if self._user is not None:
            shutil.chown(path, self._user)

    def spawn(self, command: Sequence[str], output: IO[bytes]) -> subprocess.Popen[bytes]:
        binary, *arguments = command
        return spawn([self._binaries / binary, *arguments], output, self._environment(), self._user)

    def _environment(self) -> dict[str, str]:
        return {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8", "PGPASSWORD": self._password}

    def query(self, statement: str) -> str:
        """Run a statement in the maintenance database. Return "" if the server does not answer yet."""
        command = [str(self._binaries / "psql"), "-h", "127.0.0.1", "-p", str(self.port), "-U", ROLE]
        command += ["-d", "postgres", "-qtAX", "-c", statement]
        result = subprocess.run(command, env=self._environment(), capture_output=True, text=True, check=False)
        return result.stdout.strip()


def _closed_to(user: str, folder: Path) -> Path | None:
    """Return the outermost folder above this one that the user may not enter; None if there is none."""
    owner = pwd.getpwnam(user).pw_uid
    found = [(each, each.stat()) for each in folder.resolve().parents]
    closed = [each for each, its in found if its.st_uid != owner and not its.st_mode & stat.S_IXOTH]
    return closed[-1] if closed else None


def newest_binaries() -> Path:
    """Return the folder with the newest PostgreSQL's programs. Raises ServiceError if there is none."""
    folders = Path("/usr/lib/postgresql").glob("*/bin")
    installed = [folder for folder in folders if (folder / "postgres").exists()]
    if installed:
        return max(installed, key=lambda folder: float(folder.parent.name))
    on_path = shutil.which("postgres")
    if on_path is None:
        raise ServiceError("PostgreSQL is missing: install Debian's package postgresql")
    return Path(on_path).resolve().parent


def unprivileged_user() -> str | None:
    """Return the user for the server, which refuses to run as root; None if this process is not root."""
    if os.geteuid() != 0:
        return None
    known = {user.pw_name for user in pwd.getpwall()}
    return "postgres" if "postgres" in known else "nobody"
