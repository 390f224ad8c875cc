"""A private RabbitMQ node."""

import os
import shutil
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path

from scripts.services.process import ServiceError, end, free_port, spawn, wait_until

AMQP_PROTOCOL_HEADER = b"AMQP\x00\x00\x09\x01"  # AMQP 0-9-1 specification, section 4.2.2
# The programs of the same names in /usr/sbin would switch to the packaged service's user and folders.
PROGRAM_FOLDERS = f"/usr/lib/rabbitmq/bin{os.pathsep}{os.defpath}"
# The name of the data folder contains the node's name, so that name is fixed. Each node has a port mapper of
# its own, so several nodes with this name do not conflict.
NODE = "gateway@localhost"
TOOL_SECONDS = 90


class Rabbitmq:
    """One node with its own Erlang port mapper, cookie, data and logs; no plugins; user guest/guest.

    RABBITMQ_CONTROL in `environment` names a script that runs `rabbitmqctl` for this node; beside it is the
    script `evaluate`, which reads Erlang and runs it on the node. `settings` are lines of the node's
    configuration file, and `advanced` is the text of its second one, in Erlang. A node of a cluster has a
    name of its own. It shares the folder `home`, which has the cookie, with the other nodes, and the port
    mapper at `epmd_port` with those on the same host. Nodes that are silent for `silence_seconds` count as
    lost (net_ticktime). `within` is the beginning of a command that runs the rest of it on another host; the
    node then runs there and listens on `address`.
    """

    name = "RabbitMQ"

    def __init__(
        self,
        folder: Path,
        port: int | None = None,
        *,
        node: str = NODE,
        home: Path | None = None,
        epmd_port: int | None = None,
        settings: Sequence[str] = (),
        silence_seconds: int | None = None,
        address: str = "127.0.0.1",
        within: tuple[str, ...] = (),
        advanced: str = "",
    ) -> None:
        self.folder = folder
        self.address = address
        self.within = within
        self.port = port or free_port()
        self.node = node
        self._home = home or folder / "home"
        self._settings = ("disk_free_limit.absolute = 50MB", *settings)
        self._silence_seconds = silence_seconds
        self._advanced = advanced or "[]."
        self._has_own_epmd = epmd_port is None
        self.environment = {
            "BROKER_URL": f"amqp://guest:guest@{address}:{self.port}/%2F",
            "RABBITMQ_CONTROL": str(folder / "control"),
        }
        self._epmd_port = epmd_port or free_port()
        self._node: subprocess.Popen[bytes] | None = None
        self._epmd: subprocess.Popen[bytes] | None = None
        server = shutil.which("rabbitmq-server", path=PROGRAM_FOLDERS)
        if server is None:
            raise ServiceError("RabbitMQ is missing: install Debian's package rabbitmq-server")
        self._server = Path(server)

    def start(self) -> None:
        """Start the node and wait until it answers. Raises ServiceError if it cannot run here."""
        for folder in (self._home, self.folder / "data", self.folder / "log"):
            folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "enabled_plugins").write_text("[].\n")
        (self.folder / "advanced.config").write_text(self._advanced)
        (self.folder / "rabbitmq.conf").write_text("\n".join([*self._settings, ""]))
        self._write_scripts()
        environment = self._environment()
        log = self.folder / "log" / "start.log"
        with log.open("wb") as output:
            if self._has_own_epmd:
                self._epmd = spawn(
                    [*self.within, *port_mapper(self._epmd_port, self.address)], output, environment
                )
            self._node = spawn([*self.within, self._server], output, environment)
        try:
            wait_until(self._answers, self._node, self.name, log)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the node in order. All messages that were confirmed to publishers are on disk afterwards."""
        end(self._node)
        end(self._epmd)

    def kill(self) -> None:
        """Kill the node without warning, as a power cut would."""
        if self._node is not None:
            self._node.kill()
            self._node.wait()
        end(self._epmd)

    @property
    def pid(self) -> int:
        """The id of the node's process, once it has been started; otherwise 0."""
        return self._node.pid if self._node else 0

    @property
    def is_running(self) -> bool:
        """Return True if the node's process has been started and has not ended."""
        return self._node is not None and self._node.poll() is None

    def run(self, tool: str, *arguments: str) -> str:
        """Run one of RabbitMQ's own tools, such as `rabbitmqctl`, for this node. Return its output.

        Raises ServiceError with the output if the tool fails.
        """
        result = subprocess.run(
            [*self.within, self._server.with_name(tool), *arguments],
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TOOL_SECONDS,
            check=False,
        )
        if result.returncode:
            raise ServiceError(f"{tool} {' '.join(arguments)}: {result.stdout}{result.stderr}")
        return result.stdout

    def _environment(self) -> dict[str, str]:
        folder = self.folder
        ticks = f" net_ticktime {self._silence_seconds}" if self._silence_seconds else ""
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "C.UTF-8",
            "HOME": str(self._home),
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": self.address,
            "RABBITMQ_NODENAME": self.node,
            "RABBITMQ_USE_LONGNAME": self._has_long_name,
            "RABBITMQ_NODE_IP_ADDRESS": self.address,
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface "
            f"{{{self.address.replace('.', ',')}}}{ticks}",
            "RABBITMQ_CONF_ENV_FILE": str(folder / "none.conf"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "advanced.config"),
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            # RabbitMQ's tools would leave crash dumps in the folder in which they are run.
            "ERL_CRASH_DUMP": self._crash_dump,
            "RABBITMQ_PID_FILE": str(folder / "node.pid"),
            # Makes the start script become the Erlang process, so that its pid is the node's.
            "RUNNING_UNDER_SYSTEMD": "true",
        }

    def _write_scripts(self) -> None:
        environment = (
            f'exec {" ".join(self.within)} env HOME="{self._home}" LANG=C.UTF-8 '
            f'ERL_EPMD_PORT={self._epmd_port} ERL_CRASH_DUMP="{self._crash_dump}" '
        )
        # This takes two milliseconds of processor time, and the start of rabbitmqctl half a second. The node
        # names each caller (-R), because the second of two callers with one name would be refused.
        evaluate = f'erl_call -n {self.node} -c "$(cat "{self._home}/.erlang.cookie")" -R -e'
        control = (
            f'RABBITMQ_CONF_ENV_FILE="{self.folder}/none.conf" RABBITMQ_NODENAME={self.node} '
            f"RABBITMQ_USE_LONGNAME={self._has_long_name} "
            f'"{self._server.with_name("rabbitmqctl")}" "$@"'
        )
        for name, command in (("control", control), ("evaluate", evaluate)):
            script = self.folder / name
            script.write_text(f"#!/bin/sh\n{environment}{command}\n")
            script.chmod(0o700)

    @property
    def _crash_dump(self) -> str:
        return str(self.folder / "log" / "erl_crash.dump")

    @property
    def _has_long_name(self) -> str:
        # For Erlang, a name with a dot after the @ is a long name.
        return "true" if "." in self.node else "false"

    def _answers(self) -> bool:
        """Return True if the broker answers the protocol header with a method frame (type 1)."""
        try:
            with socket.create_connection((self.address, self.port), timeout=2) as connection:
                connection.sendall(AMQP_PROTOCOL_HEADER)
                return connection.recv(1) == b"\x01"
        except OSError:
            return False


def port_mapper(port: int, address: str = "127.0.0.1") -> list[str]:
    """Return the command that starts an Erlang port mapper (epmd), by which nodes find each other."""
    return ["epmd", "-address", address, "-port", str(port)]
