"""Hosts of a private network on this machine: network namespaces behind one bridge."""

import errno
import socket
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

# The most networks at a time. Names of interfaces have at most 15 characters.
NETWORKS = 100
# A neighbour's address that no interface has, so that frames from the bridge to it are lost.
NOBODY = "02:00:00:00:00:ff"
# `ip netns exec` shows the files of this folder in place of those of /etc.
OWN_FILES = Path("/etc/netns")


@dataclass(frozen=True)
class Network:
    """The names and addresses of a network, all of which contain the network's number."""

    number: int

    @property
    def edge(self) -> str:
        """The address of this machine in the network."""
        return self.address(1)

    @property
    def range(self) -> str:
        """All addresses of the network."""
        return f"{self.address(0)}/24"

    @property
    def bridge(self) -> str:
        """The interface of this machine, through which the hosts reach each other."""
        return f"gw{self.number}-edge"

    def address(self, place: int) -> str:
        """Return the address at a place from 0 to 255."""
        return f"10.213.{self.number}.{place}"


@dataclass(frozen=True)
class Host:
    """One host. `within` before a command runs it on the host. Its programs listen on `address`."""

    name: str
    address: str
    network: Network

    @property
    def within(self) -> tuple[str, ...]:
        """The beginning of a command that runs the rest of it on this host."""
        return ("ip", "netns", "exec", self._namespace)

    @contextmanager
    def cut_off(self) -> Iterator[None]:
        """Drop all packets from and to this host within the block, without an error for anybody."""
        _ip("link", "set", self._port, "nomaster")
        try:
            yield
        finally:
            _ip("link", "set", self._port, "master", self.network.bridge)

    @contextmanager
    def deaf_to(self, other: "Host") -> Iterator[None]:
        """Drop all packets from `other` to this host within the block. The other direction stays open."""
        neighbour = ("neighbour", self.address, "dev", "eth0")
        lost = ("neighbour", "replace", *neighbour[1:], "lladdr", NOBODY, "nud", "permanent")
        _ip("-n", other._namespace, *lost)
        try:
            yield
        finally:
            _ip("-n", other._namespace, "neighbour", "delete", *neighbour[1:])

    @property
    def _namespace(self) -> str:
        return f"gateway{self.network.number}-{self.name}"

    @property
    def _port(self) -> str:
        return f"gw{self.network.number}-{self.name}"


@contextmanager
def network(names: Sequence[str]) -> Iterator[dict[str, Host]]:
    """Yield hosts with these names, which reach each other and this machine at the edge. Needs root.

    No other network has their addresses, even if another process has hosts with the same names. On the hosts,
    localhost means this machine, because providers are reached by that name, and tests have no other.
    """
    with _own_network() as lan:
        hosts = {name: Host(name, lan.address(place), lan) for place, name in enumerate(names, 11)}
        _remove(lan, hosts.values())
        try:
            _ip("link", "add", lan.bridge, "type", "bridge")
            _ip("address", "add", f"{lan.edge}/24", "dev", lan.bridge)
            _ip("link", "set", lan.bridge, "up")
            for host in hosts.values():
                _add(host)
            yield hosts
        finally:
            _remove(lan, hosts.values())


@contextmanager
def _own_network() -> Iterator[Network]:
    """Yield a network whose number no other process uses within the block.

    An abstract socket reserves the number, because the kernel closes it even if this process is killed.
    """
    for number in range(NETWORKS):
        with socket.socket(socket.AF_UNIX) as reservation:
            try:
                reservation.bind(f"\0payments-gateway-network-{number}")
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
            else:
                yield Network(number)
                return
    raise AssertionError(f"{NETWORKS} networks are in use")


def _add(host: Host) -> None:
    namespace, port = host._namespace, host._port
    files = OWN_FILES / namespace
    files.mkdir(parents=True, exist_ok=True)
    (files / "hosts").write_text(f"{host.network.edge} localhost\n")
    _ip("netns", "add", namespace)
    _ip("link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", namespace)
    _ip("link", "set", port, "master", host.network.bridge, "up")
    _ip("-n", namespace, "address", "add", f"{host.address}/24", "dev", "eth0")
    for interface in ("lo", "eth0"):
        _ip("-n", namespace, "link", "set", interface, "up")


def _remove(lan: Network, hosts: Iterable[Host]) -> None:
    """Remove the parts of the network that exist, including those of an earlier run that was killed.

    The kernel keeps a namespace, and with it the port, until the last connection in it has ended. So the port
    is removed by itself.
    """
    for host in hosts:
        _ip("link", "delete", host._port, check=False)
        _ip("netns", "delete", host._namespace, check=False)
        (OWN_FILES / host._namespace / "hosts").unlink(missing_ok=True)
        with suppress(FileNotFoundError):
            (OWN_FILES / host._namespace).rmdir()
    _ip("link", "delete", lan.bridge, check=False)


def _ip(*arguments: str, check: bool = True) -> None:
    with tempfile.TemporaryFile() as errors:
        code = subprocess.run(["ip", *arguments], stderr=errors, check=False).returncode
        errors.seek(0)
        said = errors.read().decode()
    assert code == 0 or not check, f"ip {' '.join(arguments)}: {said}"
