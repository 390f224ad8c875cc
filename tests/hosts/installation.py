"""A stack like in production on eight hosts: web and services on two each, brokers on three, and an edge.

The edge is this machine. It has nginx, PostgreSQL and the provider. Each host named services-N has a copy of
each service and of the relay; `webhooks` runs on services-1 alone.
"""

import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psycopg
import pytest

from scripts.services.postgresql import Postgresql
from scripts.services.rabbitmq import Rabbitmq
from tests.flows.stack.production import Production, Visitors, in_production
from tests.support.cluster import Cluster
from tests.support.hosts import Host, Network, network
from tests.support.program import ROOT, Program
from tests.support.stack import SERVICES
from tests.support.waiting import wait_until

BROKERS = ("broker-1", "broker-2", "broker-3")
HOSTS = ("web-1", "web-2", "services-1", "services-2", *BROKERS)
COPIED = (*SERVICES, "relay")
PROGRAMS = {
    "web-1": ("web",),
    "web-2": ("web-2",),
    "services-1": (*COPIED, "webhooks"),
    "services-2": tuple(f"{name}-2" for name in COPIED),
}
SETTINGS = {
    "CHECKOUT_REPLY_BUDGET_SECONDS": "4",
    "CHECKOUT_SETTLING_SECONDS": "20",
    "CHECKOUT_ORDER_LAG_SECONDS": "3",
    "CHECKOUT_MODIFICATION_LAG_SECONDS": "5",
    "CHECKOUT_QUEUE_SECONDS": "10",
    "CHECKOUT_INQUIRY_DELAYS": "[2, 5, 10, 15, 15, 15, 30]",
    "CHECKOUT_RISK_PAYMENTS_PER_EMAIL": "1000000",
    "CHECKOUT_RISK_PAYMENTS_PER_IP_ADDRESS": "1000000",
    "SANDBOX_SETTLE_SECONDS": "0.5",
}
# A slow host stops for so many seconds, then works for so many, and so on.
STILL_SECONDS, GOING_SECONDS = 0.4, 0.1


@dataclass(frozen=True)
class Installation:
    hosts: Mapping[str, Host]
    production: Production

    def programs(self, host: str) -> list[Program]:
        """Return the programs on this host."""
        return [self.production.stack.programs[name] for name in PROGRAMS[host]]

    def shoppers(self, count: int = 300) -> Visitors:
        """Return four shoppers who buy one thing after another, with a limit for all of them together."""
        return Visitors(
            self.production.stack, production=self.production, references=self.production.orders(count)
        )

    def restart(self, host: str, *, only: Collection[str] = (), **environment: str) -> None:
        """Restart the programs of a host, or some of them, in order and with these settings.

        Wait until each works again.
        """
        for name in only or PROGRAMS[host]:
            program = self.production.stack.programs[name]
            program.terminate()
            logged = len(program.text())
            program.start(**environment)
            if name in self.production.addresses:
                self.production.wait_until_ready(name)
            elif name.removesuffix("-2") in SERVICES:
                wait_until(partial(_says, program, "service ready", logged), f"{name} to start", seconds=60)

    @contextmanager
    def slow(self, host: str) -> Iterator[None]:
        """Let a host work only a fifth of the time, in short turns."""
        enough = threading.Event()
        thread = threading.Thread(target=self._slow_down, args=(host, enough))
        thread.start()
        try:
            yield
        finally:
            enough.set()
            thread.join()

    def _slow_down(self, host: str, enough: threading.Event) -> None:
        while not enough.wait(GOING_SECONDS):
            for program in self.programs(host):
                program.pause()
            enough.wait(STILL_SECONDS)
            for program in self.programs(host):
                program.go_on()


@contextmanager
def opened() -> Iterator[Installation]:
    """Run everything within the block. Needs root; the test is skipped without it, or fails in CI."""
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    with ExitStack() as closing:
        # The user as which PostgreSQL runs cannot enter pytest's folders.
        folder = Path(closing.enter_context(tempfile.TemporaryDirectory()))
        folder.chmod(0o711)
        hosts = closing.enter_context(network(HOSTS))
        lan = hosts[BROKERS[0]].network
        postgresql = Postgresql(
            folder / "postgresql", durable=True, settings=(f"listen_addresses=127.0.0.1,{lan.edge}",)
        )
        postgresql.start()
        closing.callback(postgresql.stop)
        here = postgresql.environment["DATABASE_URL"]
        _admit_hosts(lan, postgresql, here)
        database_url = here.replace("127.0.0.1", lan.edge)
        cluster = Cluster(folder / "cluster", hosts=[hosts[name] for name in BROKERS])
        closing.callback(cluster.stop)
        cluster.start()
        subprocess.run(
            [sys.executable, "manage.py", "migrate", "--verbosity=0"],
            cwd=ROOT,
            env={**os.environ, "DATABASE_URL": here, "DJANGO_SETTINGS_MODULE": "payments_gateway.settings"},
            stdin=subprocess.DEVNULL,
            check=True,
        )
        production = closing.enter_context(
            in_production(
                folder,
                webs=2,
                copies=dict.fromkeys(COPIED, 2),
                environment={**SETTINGS, "BROKER_URL": cluster.url},
                hosts={name: hosts[host] for host, names in PROGRAMS.items() for name in names},
                # The test itself uses the node that no test cuts off.
                broker_url=_last(cluster).environment["BROKER_URL"],
                control=_last(cluster).environment["RABBITMQ_CONTROL"],
                database_url=database_url,
            )
        )
        yield Installation(hosts, production)


def _says(program: Program, words: str, after: int) -> bool:
    return words in program.text()[after:]


def _last(cluster: Cluster) -> Rabbitmq:
    return cluster.nodes[-1]


def _admit_hosts(lan: Network, postgresql: Postgresql, url: str) -> None:
    """Let the hosts' programs log in with their password."""
    with (postgresql.data / "pg_hba.conf").open("a") as file:
        file.write(f"host all all {lan.range} scram-sha-256\n")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SELECT pg_reload_conf()")
