"""Tests of networks of hosts. Several networks may exist at a time."""

import os
import subprocess

import pytest

from tests.support.hosts import Host, network

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")


def reaches(host: Host, address: str) -> bool:
    """Return True if a connection to a closed port of this address is refused instead of lost."""
    script = f"exec 3<>/dev/tcp/{address}/9"
    tried = subprocess.run(
        [*host.within, "timeout", "5", "bash", "-c", script], capture_output=True, text=True, check=False
    )
    return "Connection refused" in tried.stderr


def test_hosts_of_the_same_name_have_a_network_each():
    with network(["one", "two"]) as these, network(["one", "two"]) as those:
        for hosts in (these, those):
            assert reaches(hosts["one"], hosts["two"].address)
            assert reaches(hosts["one"], hosts["one"].network.edge)
        assert not {host.address for host in these.values()} & {host.address for host in those.values()}


def test_a_network_is_left_alone_when_another_ends():
    with network(["one", "two"]) as these:
        with network(["one", "two"]):
            pass
        assert reaches(these["one"], these["two"].address)
