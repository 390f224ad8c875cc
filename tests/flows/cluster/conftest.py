"""Fixtures: a stack on a cluster, with one web process near the first node and one near the last."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from scripts.services.process import free_port
from scripts.services.rabbitmq import Rabbitmq
from tests.flows.stack.crowd import Crowd
from tests.flows.stack.site import Site, running
from tests.support.cluster import Cluster
from tests.support.stack import Stack

# The most seconds beyond the budget for which a shopper may be held, an allowance for a busy machine.
SLACK_SECONDS = 8
BUDGET_SECONDS = 4
# An answer that took longer shows that the outage was not over.
SLOW_SECONDS = 2.0


@dataclass(frozen=True)
class ClusterSite:
    """Shoppers go to the first web process, which is connected to the first node."""

    site: Site
    cluster: Cluster
    web_ports: tuple[int, int]

    @property
    def stack(self) -> Stack:
        return self.site.stack

    @property
    def near(self) -> Rabbitmq:
        """The node to which the shoppers' web process is connected."""
        return self.cluster.nodes[0]

    def readiness(self, web: int) -> tuple[int, str]:
        """Return the status of a web process's /readyz, and the parts that it names as missing."""
        answer = requests.get(f"http://localhost:{self.web_ports[web]}/readyz", timeout=10)
        return answer.status_code, ",".join(answer.json()["missing"])

    def is_ready(self, web: int) -> bool:
        return self.readiness(web) == (200, "")


def assert_nobody_saw_an_error(crowd: Crowd) -> None:
    assert crowd.failures == []
    assert max(crowd.answers) < 500, crowd.answers
    assert crowd.longest_seconds < BUDGET_SECONDS + SLACK_SECONDS


@pytest.fixture(scope="module")
def site() -> Iterator[ClusterSite]:
    with tempfile.TemporaryDirectory() as name:
        cluster = Cluster(Path(name) / "rabbitmq")
        ports = free_port(), free_port()
        webs = {"web": cluster.nodes[0], "web-2": cluster.nodes[2]}
        own = {
            web: {"BROKER_URL": cluster.url_near(node), "CHECKOUT_BROKER_ZONE": "localhost"}
            for web, node in webs.items()
        }
        with running(Path(name), cluster, web_ports=ports, own=own) as site:
            yield ClusterSite(site, cluster, ports)
