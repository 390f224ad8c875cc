"""Hosts of a network of their own on this machine: network namespaces behind one bridge."""

import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PREFIX = "10.213.0"
EDGE = f"{PREFIX}.1"
NETWORK = f"{PREFIX}.0/24"
BRIDGE = "gateway-hosts"
# A neighbour's address that no interface has, so that the bridge's frames for it reach nobody.
NOBODY = "02:00:00:00:00:ff"
# `ip netns exec` shows the files of this folder as those of /etc.
OWN_FILES = Path("/etc/netns")


@dataclass(frozen=True)
class Host:
    """One host. Programs run on it when `within` precedes their command, and listen on `address`."""

    name: str
    address: str

    @property
    def within(self) -> tuple[str, ...]:
        """The words before a command that runs it on this host."""
        return ("ip", "netns", "exec", self._namespace)

    @contextmanager
    def cut_off(self) -> Iterator[None]:
        """Let nothing reach this host or leave it within the block, without an error for anybody."""
        _ip("link", "set", self._port, "nomaster")
        try:
            yield
        finally:
            _ip("link", "set", self._port, "master", BRIDGE)

    @contextmanager
    def deaf_to(self, other: "Host") -> Iterator[None]:
        """Let nothing that `other` sends reach this host within the block. The other way stays open."""
        neighbour = ("neighbour", self.address, "dev", "eth0")
        lost = ("neighbour", "replace", *neighbour[1:], "lladdr", NOBODY, "nud", "permanent")
        _ip("-n", other._namespace, *lost)
        try:
            yield
        finally:
            _ip("-n", other._namespace, "neighbour", "delete", *neighbour[1:])

    @property
    def _namespace(self) -> str:
        return f"gateway-{self.name}"

    @property
    def _port(self) -> str:
        # Names of interfaces have 15 characters at most.
        return f"gw-{self.name}"


@contextmanager
def network(names: Sequence[str]) -> Iterator[dict[str, Host]]:
    """Yield hosts with these names, which reach each other and this machine at EDGE. Needs root.

    On them the name localhost means this machine: providers are reached by name, and names of tests have no
    other entry.
    """
    hosts = {name: Host(name, f"{PREFIX}.{number}") for number, name in enumerate(names, 11)}
    _remove(hosts)
    try:
        _ip("link", "add", BRIDGE, "type", "bridge")
        _ip("address", "add", f"{EDGE}/24", "dev", BRIDGE)
        _ip("link", "set", BRIDGE, "up")
        for host in hosts.values():
            _add(host)
        yield hosts
    finally:
        _remove(hosts)


def _add(host: Host) -> None:
    namespace, port = host._namespace, host._port
    files = OWN_FILES / namespace
    files.mkdir(parents=True, exist_ok=True)
    (files / "hosts").write_text(f"{EDGE} localhost\n")
    _ip("netns", "add", namespace)
    _ip("link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", namespace)
    _ip("link", "set", port, "master", BRIDGE, "up")
    _ip("-n", namespace, "address", "add", f"{host.address}/24", "dev", "eth0")
    for interface in ("lo", "eth0"):
        _ip("-n", namespace, "link", "set", interface, "up")


def _remove(hosts: dict[str, Host]) -> None:
    """Remove what is there of the network, also after an earlier run that was killed."""
    for host in hosts.values():
        _ip("netns", "delete", host._namespace, check=False)
        (OWN_FILES / host._namespace / "hosts").unlink(missing_ok=True)
    _ip("link", "delete", BRIDGE, check=False)


def _ip(*arguments: str, check: bool = True) -> None:
    with tempfile.TemporaryFile() as errors:
        code = subprocess.run(["ip", *arguments], stderr=errors, check=False).returncode
        errors.seek(0)
        said = errors.read().decode()
    assert code == 0 or not check, f"ip {' '.join(arguments)}: {said}"
