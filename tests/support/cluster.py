"""A cluster of RabbitMQ nodes on this machine, which can be killed, paused, cut off and replaced."""

import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import zip_longest
from pathlib import Path
from typing import Self

from scripts.services.process import end, free_port, spawn
from scripts.services.rabbitmq import Rabbitmq, port_mapper
from tests.support.hosts import Host

DISCOVERY = "cluster_formation.peer_discovery_backend = classic_config"
# The test's user, guest, has to log in from other hosts.
OF_HOSTS = ("loopback_users = none",)
COOKIE = "of-a-test"
# Both settings are recommended by docs/database-and-broker.md. Khepri stores users, queues and bindings by
# Raft, so that a node that was away for a while joins the others again by itself.
SILENCE_SECONDS = 10
METADATA_STORE = ("enable_feature_flag", "--experimental", "khepri_db")


class Cluster:
    """Nodes that form a cluster when they start for the first time, on this machine or each on a host."""

    name = "RabbitMQ"

    def __init__(
        self,
        folder: Path,
        size: int = 3,
        *,
        hosts: Sequence[Host] = (),
    ) -> None:
        self.folder = folder
        settings = (DISCOVERY, *(OF_HOSTS if hosts else ()))
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
                settings=(*settings, *peers),
                silence_seconds=SILENCE_SECONDS,
                address=host.address if host else "127.0.0.1",
                within=host.within if host else (),
            )
            for name, host in zip_longest(names, hosts)
        ]
        # Commands for the whole cluster run on the first node.
        self.environment = {**self.nodes[0].environment, "BROKER_URL": self.url}

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_details: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The broker's address, with all nodes."""
        return self.url_near()

    def url_near(self, near: Rabbitmq | None = None) -> str:
        """Return the address of all nodes in which only `near` is in the zone `localhost`."""
        hosts = [f"{'localhost' if node is near else node.address}:{node.port}" for node in self.nodes]
        return f"amqp://guest:guest@{','.join(hosts)}/%2F"

    def start(self) -> None:
        """Start all nodes and wait until each answers."""
        is_new = not self._epmds
        if is_new:
            self._start_port_mappers()
        self.start_nodes(self.nodes)
        if is_new:
            self.nodes[0].run("rabbitmqctl", *METADATA_STORE)

    def _start_port_mappers(self) -> None:
        home = self.folder / "home"
        home.mkdir(parents=True, exist_ok=True)
        cookie = home / ".erlang.cookie"
        cookie.write_text(COOKIE)
        cookie.chmod(0o400)
        environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(home)}
        with (self.folder / "epmd.log").open("wb") as log:
            for within, address in {(node.within, node.address) for node in self.nodes}:
                mapper = [*within, *port_mapper(self._epmd_port, address)]
                self._epmds.append(spawn(mapper, log, environment))

    def start_nodes(self, nodes: Sequence[Rabbitmq]) -> None:
        """Start these nodes at the same time, because some may wait for others."""
        with ThreadPoolExecutor() as threads:
            # `list` raises the first error of a node.
            list(threads.map(Rabbitmq.start, nodes))

    def stop(self) -> None:
        """Stop all nodes at once: none of them can get a majority any more."""
        with ThreadPoolExecutor() as threads:
            list(threads.map(Rabbitmq.stop, self.nodes))
        for mapper in self._epmds:
            end(mapper)
        self._epmds.clear()

    def kill(self) -> None:
        """Kill all nodes without warning."""
        for node in self.nodes:
            node.kill()

    def replace(self, node: Rabbitmq) -> None:
        """Stop a node as an upgrade does, once the queues can do without it, and start it again."""
        node.run("rabbitmq-upgrade", "await_online_quorum_plus_one")
        self.retire(node)
        node.start()

    def retire(self, node: Rabbitmq) -> None:
        """Drain and stop a node, as operators do before an upgrade."""
        node.run("rabbitmq-upgrade", "drain")
        node.stop()

    @contextmanager
    def cut_off(self, node: Rabbitmq) -> Iterator[None]:
        """Separate a node from all others within the block. It may have stopped by the end.

        Clients still reach it.
        """
        others = [each for each in self.nodes if each is not node]
        for other in others:
            self._part(node, other, "one")
            self._part(other, node, "another")
        try:
            yield
        finally:
            for other in others:
                self._part(other, node, COOKIE)
                if node.is_running:
                    self._part(node, other, COOKIE)

    @staticmethod
    def _part(node: Rabbitmq, other: Rabbitmq, cookie: str) -> None:
        """End a node's link with another, and set the cookie for the next link: cookies must be equal."""
        node.run(
            "rabbitmqctl",
            "eval",
            f"erlang:set_cookie('{other.node}', '{cookie}'), erlang:disconnect_node('{other.node}').",
        )


@contextmanager
def paused(*nodes: Rabbitmq) -> Iterator[None]:
    """Stop nodes by SIGSTOP within the block, as a swapping machine would."""
    for node in nodes:
        os.kill(node.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for node in nodes:
            os.kill(node.pid, signal.SIGCONT)
