"""A cluster of RabbitMQ nodes on this machine, whose nodes can be killed and started again."""

import os
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import zip_longest
from pathlib import Path

from scripts.services.process import end, free_port, spawn
from scripts.services.rabbitmq import Rabbitmq, port_mapper
from tests.support.hosts import Host

SETTINGS = (
    "cluster_partition_handling = pause_minority",
    "cluster_formation.peer_discovery_backend = classic_config",
)
# The test's user, guest, logs in from other hosts.
OF_HOSTS = ("loopback_users = none",)


class Cluster:
    """Nodes that form a cluster when they start for the first time, on this machine or each on a host."""

    def __init__(self, folder: Path, size: int = 3, *, hosts: Sequence[Host] = ()) -> None:
        self._folder = folder
        self._hosts = hosts
        self._epmd_port = free_port()
        self._epmds: list[subprocess.Popen[bytes]] = []
        names = [f"gateway{number}@localhost" for number in range(1, size + 1)]
        if hosts:
            names = [f"gateway{number}@{host.address}" for number, host in enumerate(hosts, 1)]
        peers = [
            f"cluster_formation.classic_config.nodes.{number} = {name}"
            for number, name in enumerate(names, 1)
        ]
        self.nodes = [
            Rabbitmq(
                folder / name.partition("@")[0],
                node=name,
                home=folder / "home",
                epmd_port=self._epmd_port,
                settings=(*SETTINGS, *peers, *(OF_HOSTS if hosts else ())),
                address=host.address if host else "127.0.0.1",
                within=host.within if host else (),
            )
            for name, host in zip_longest(names, hosts)
        ]

    @property
    def url(self) -> str:
        """The broker's address, with all nodes."""
        return f"amqp://guest:guest@{','.join(f'{node.address}:{node.port}' for node in self.nodes)}/%2F"

    def start(self) -> None:
        """Start all nodes and wait until each answers."""
        home = self._folder / "home"
        home.mkdir(parents=True, exist_ok=True)
        cookie = home / ".erlang.cookie"
        cookie.write_text("of-a-test")
        cookie.chmod(0o400)
        environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(home)}
        with (self._folder / "epmd.log").open("wb") as log:
            for within, address in {(node.within, node.address) for node in self.nodes}:
                mapper = [*within, *port_mapper(self._epmd_port, address)]
                self._epmds.append(spawn(mapper, log, environment))
        with ThreadPoolExecutor() as threads:
            # `list` raises the first error of a node.
            list(threads.map(Rabbitmq.start, self.nodes))

    def stop(self) -> None:
        """Stop all nodes at once, as none of them can lead the others any more."""
        with ThreadPoolExecutor() as threads:
            list(threads.map(Rabbitmq.stop, self.nodes))
        for mapper in self._epmds:
            end(mapper)

    def node_at(self, port: int) -> Rabbitmq:
        """Return the node with this port."""
        (found,) = (node for node in self.nodes if node.port == port)
        return found
