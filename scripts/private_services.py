"""Private RabbitMQ and PostgreSQL instances, run by this user on ports of their own.

They use the programs of Debian's packages, and nothing else of an installed service: no configuration,
no data, no Erlang cookie, no running daemon. Everything listens on 127.0.0.1 only. Only the standard library
is used, so that the scripts need nothing installed.
"""

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Protocol

AMQP_PROTOCOL_HEADER = b"AMQP\x00\x00\x09\x01"  # AMQP 0-9-1 specification, section 4.2.2
START_SECONDS = 90
STOP_SECONDS = 30


class ServiceError(Exception):
    """A service cannot be had here; the message says why and what to do."""


class Service(Protocol):
    """A program that was started, the environment its users need, and how to end it."""

    name: str
    environment: dict[str, str]

    def start(self) -> None: ...
    def stop(self) -> None: ...


def free_port() -> int:
    """A TCP port nobody listens on at 127.0.0.1 right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(ready: Callable[[], bool], process: subprocess.Popen[bytes], name: str, log: Path) -> None:
    """Poll until the service answers. Raises ServiceError with the end of its log if it ends or takes too long."""
    deadline = time.monotonic() + START_SECONDS
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            ended = (
                f"ended with code {process.returncode}"
                if process.poll() is not None
                else "did not start in time"
            )
            raise ServiceError(f"{name} {ended}. The end of {log}:\n{tail(log)}")
        time.sleep(0.1)


def tail(log: Path, lines: int = 20) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:]) if log.exists() else "(no log)"


def end(process: subprocess.Popen[bytes] | None, first_signal: signal.Signals = signal.SIGTERM) -> None:
    """Ask a process to end, and end it if it does not."""
    if process is None or process.poll() is not None:
        return
    process.send_signal(first_signal)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def spawn(
    command: Sequence[str | Path], log: IO[bytes], environment: dict[str, str], user: str | None = None
) -> subprocess.Popen[bytes]:
    """Start in a session of its own, so that Ctrl-C reaches the caller, who then stops it in order."""
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


class Rabbitmq:
    """One RabbitMQ node with its own Erlang port mapper, cookie, data and logs; no plugins; user guest/guest."""

    name = "RabbitMQ"

    def __init__(self, folder: Path, port: int | None = None) -> None:
        self.folder = folder
        self.port = port or free_port()
        self.epmd_port = free_port()
        self.node = f"gateway-{self.port}@localhost"
        self._node: subprocess.Popen[bytes] | None = None
        self._epmd: subprocess.Popen[bytes] | None = None
        binary = shutil.which(
            "rabbitmq-server", path="/usr/lib/rabbitmq/bin:/opt/rabbitmq/sbin:" + os.defpath
        )
        if binary is None:
            raise ServiceError("RabbitMQ is missing: install Debian's package rabbitmq-server")
        self.binary = Path(binary)
        self.environment = {
            "BROKER_URL": f"amqp://guest:guest@127.0.0.1:{self.port}/%2F",
            "RABBITMQ_CONTROL": str(folder / "control"),
        }

    def start(self) -> None:
        for name in ("home", "data", "log"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        (self.folder / "enabled_plugins").write_text("[].\n")
        (self.folder / "rabbitmq.conf").write_text("disk_free_limit.absolute = 50MB\n")
        self._write_control()
        environment = self._node_environment()
        log = self.folder / "log" / "start.log"
        with log.open("wb") as output:
            epmd = shutil.which("epmd") or "epmd"
            self._epmd = spawn(
                [epmd, "-address", "127.0.0.1", "-port", str(self.epmd_port)], output, environment
            )
            self._node = spawn([self.binary], output, environment)
        try:
            wait_until(self._answers, self._node, self.name, log)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        end(self._node)
        end(self._epmd)

    def kill(self) -> None:
        """End the node as a power cut would."""
        if self._node is not None:
            self._node.kill()
            self._node.wait()
        end(self._epmd)

    def _node_environment(self) -> dict[str, str]:
        folder = self.folder
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "C.UTF-8",
            "HOME": str(folder / "home"),
            "ERL_EPMD_PORT": str(self.epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": self.node,
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "RABBITMQ_CONF_ENV_FILE": str(folder / "none.conf"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            "RABBITMQ_PID_FILE": str(folder / "node.pid"),
            # Makes the start script become the Erlang process, so that its pid is the node's.
            "RUNNING_UNDER_SYSTEMD": "true",
        }

    def _write_control(self) -> None:
        """A script that is `rabbitmqctl` for this node, whatever the caller's environment is."""
        ctl = self.binary.with_name("rabbitmqctl")
        control = self.folder / "control"
        control.write_text(
            "#!/bin/sh\n"
            f'exec env HOME="{self.folder}/home" ERL_EPMD_PORT={self.epmd_port} LANG=C.UTF-8 '
            f'RABBITMQ_CONF_ENV_FILE="{self.folder}/none.conf" RABBITMQ_NODENAME={self.node} "{ctl}" "$@"\n'
        )
        control.chmod(0o755)

    def _answers(self) -> bool:
        """Whether the broker opens an AMQP conversation: a method frame (type 1) follows the protocol header."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=2) as connection:
                connection.sendall(AMQP_PROTOCOL_HEADER)
                return connection.recv(1) == b"\x01"
        except OSError:
            return False


class Postgresql:
    """One PostgreSQL cluster over TCP with a superuser `checkout` and a database of that name.

    `durable=False` trades crash safety for speed: right for data that is thrown away.
    """

    name = "PostgreSQL"

    def __init__(self, folder: Path, port: int | None = None, *, durable: bool = False) -> None:
        self.folder = folder
        self.port = port or free_port()
        self.durable = durable
        self.user = unprivileged_user()
        self._server: subprocess.Popen[bytes] | None = None
        homes = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))
        binary = shutil.which("postgres", path=str(homes[-1])) if homes else shutil.which("postgres")
        if binary is None:
            raise ServiceError("PostgreSQL is missing: install Debian's package postgresql")
        self.binaries = Path(binary).parent
        self._password_file = folder / "password"
        self.environment: dict[str, str] = {}

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.user is not None:
            shutil.chown(self.folder, self.user, self.user)
        password = self._password()
        self.environment = {"DATABASE_URL": f"postgres://checkout:{password}@127.0.0.1:{self.port}/checkout"}
        log = self.folder / "postgresql.log"
        data = self.folder / "data"
        with log.open("ab") as output:
            if not (data / "PG_VERSION").exists():
                self._run(
                    [self.binaries / "initdb", "-D", data, "-U", "checkout", "-A", "scram-sha-256",
                     f"--pwfile={self._password_file}", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"],
                    output,
                    log,
                )  # fmt: skip
            settings = [f"port={self.port}", "listen_addresses=127.0.0.1", "unix_socket_directories=",
                        "max_connections=300"]  # fmt: skip
            if not self.durable:
                settings += ["fsync=off", "synchronous_commit=off", "full_page_writes=off"]
            options = [word for setting in settings for word in ("-c", setting)]
            self._server = spawn(
                [self.binaries / "postgres", "-D", data, *options], output, self._environment(), self.user
            )
            try:
                wait_until(lambda: self._query("SELECT 1") == "1", self._server, self.name, log)
            except BaseException:
                self.stop()
                raise
        if not self._query("SELECT 1 FROM pg_database WHERE datname = 'checkout'"):
            self._query("CREATE DATABASE checkout")

    def stop(self) -> None:
        # SIGINT is PostgreSQL's fast shutdown: sessions are ended, data is flushed.
        end(self._server, signal.SIGINT)

    def _password(self) -> str:
        if not self._password_file.exists():
            self._password_file.touch(mode=0o600)
            self._password_file.write_text(secrets.token_hex(16))
        if self.user is not None:
            shutil.chown(self._password_file, self.user)
        return self._password_file.read_text()

    def _environment(self) -> dict[str, str]:
        return {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8", "PGPASSWORD": self._password()}

    def _run(self, command: Sequence[str | Path], output: IO[bytes], log: Path) -> None:
        try:
            process = spawn(command, output, self._environment(), self.user)
        except PermissionError as error:
            raise ServiceError(f"PostgreSQL's user {self.user} cannot work here: {error}") from error
        if process.wait() != 0:
            hint = (
                f"\nPostgreSQL refuses to run as root; its user {self.user} must be able to enter {self.folder}."
                if self.user
                else ""
            )
            raise ServiceError(f"PostgreSQL's initdb failed. The end of {log}:\n{tail(log)}{hint}")

    def _query(self, statement: str) -> str:
        """One statement over the maintenance database; an empty string when the server does not answer yet."""
        result = subprocess.run(
            [self.binaries / "psql", "-h", "127.0.0.1", "-p", str(self.port), "-U", "checkout", "-d", "postgres",
             "-qtAX", "-c", statement],
            env=self._environment(),
            capture_output=True,
            text=True,
            check=False,
        )  # fmt: skip
        return result.stdout.strip()


def unprivileged_user() -> str | None:
    """The user to run PostgreSQL as: it refuses root. None means ourselves."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError:
        return "nobody"
