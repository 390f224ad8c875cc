"""Shoppers go on buying while nodes of RabbitMQ are killed, paused, and replaced one after the other.

`pytest -s` shows the figures.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import cast

import pytest

from tests.flows.cluster.conftest import SLOW_SECONDS, ClusterSite, assert_nobody_saw_an_error
from tests.flows.stack.crowd import Crowd, assert_settled
from tests.support.cluster import paused
from tests.support.waiting import wait_until

# The time for which a process may be not ready while an operator stops a node.
LONGEST_SECONDS = 1.0

pytestmark = [
    pytest.mark.rabbitmq,
    pytest.mark.postgresql,
    pytest.mark.long,
    pytest.mark.timeout(900),
]


@contextmanager
def watched(look: Callable[[], object]) -> Iterator[list[object]]:
    """Call a function repeatedly while the block runs. Yield its results."""
    results: list[object] = []
    over = threading.Event()

    def go_on() -> None:
        while not over.wait(0.1):
            results.append(look())

    watching = threading.Thread(target=go_on)
    watching.start()
    try:
        yield results
    finally:
        over.set()
        watching.join()


def looked_at(site: ClusterSite, web: int) -> Callable[[], object]:
    return lambda: (time.monotonic(), site.is_ready(web))


def longest(looks: list[object]) -> float:
    """Return the longest time between two looks, with others between, at which a process was ready."""
    seconds, since = 0.0, None
    for look in looks:
        at, is_ready = cast("tuple[float, bool]", look)
        if not is_ready and since is None:
            since = at
        elif is_ready and since is not None:
            seconds, since = max(seconds, at - since), None
    return seconds


def test_a_node_is_killed_and_only_the_processes_that_it_served_notice(site: ClusterSite):
    # After an earlier loss, a process stays with the node to which it switched.
    site.site.restart_one_after_the_other()
    with Crowd(site.stack) as crowd, watched(lambda: site.readiness(1)) as elsewhere:
        calm = crowd.until_more_have_paid(12)
        killed_at, hops = time.time(), len(crowd.hops)
        site.near.kill()
        outage = crowd.until_more_have_paid(12)
        wait_until(lambda: site.is_ready(0), "the web process of the lost node to work again")
        with watched(lambda: site.readiness(0)) as here:
            crowd.until_more_have_paid(12)
        meanwhile = crowd.hops[hops:]
        site.near.start()
        crowd.until_more_have_paid(12)
    slow = [
        hop.at.timestamp() + hop.duration.total_seconds()
        for hop in meanwhile
        if hop.duration.total_seconds() > SLOW_SECONDS
    ]
    came_back = crowd.when_the_patient_come_back()
    ends = assert_settled(crowd)
    print(
        f"\nA node killed: {calm:.1f} s for 12 purchases before, {outage:.1f} s after it;"
        f" the last slow answer {max(slow, default=killed_at) - killed_at:.1f} s after it;"
        f" answers {crowd.answers}, longest {crowd.longest_seconds:.1f} s,"
        f" {len(crowd.patient)} asked for patience, of whom {came_back}; {ends}"
    )
    assert_nobody_saw_an_error(crowd)
    assert {*elsewhere, *here} <= {(200, "")}, (elsewhere, here)
    assert set(came_back) <= {"paid"}


@pytest.mark.parametrize("how", ["killed", "paused"])
def test_without_a_majority_shoppers_are_asked_for_patience_and_all_ends_well(site: ClusterSite, how: str):
    lost = site.cluster.nodes[:2]
    with Crowd(site.stack) as crowd:
        crowd.until_more_have_paid()
        if how == "killed":
            for node in lost:
                node.kill()
            wait_until(lambda: len(crowd.patient) >= 8, "some to be asked for patience", seconds=60)
            wait_until(
                lambda: site.readiness(1) == (503, "broker"),
                "the web process of the node that is left to notice",
            )
            site.cluster.start_nodes(lost)
        else:
            with paused(*lost):
                wait_until(lambda: len(crowd.patient) >= 8, "some to be asked for patience", seconds=60)
        site.site.until_ready()
        seconds = crowd.until_more_have_paid(seconds=120)
    came_back = crowd.when_the_patient_come_back()
    ends = assert_settled(crowd)
    print(
        f"\nTwo of three nodes {how}: answers {crowd.answers}, longest {crowd.longest_seconds:.1f} s,"
        f" {len(crowd.patient)} asked for patience, of whom {came_back}; {ends};"
        f" {seconds:.0f} s until new purchases were answered in time"
    )
    assert_nobody_saw_an_error(crowd)
    assert set(came_back) == {"paid"}


def test_an_upgrade_of_one_node_after_the_other_fails_nobody(site: ClusterSite):
    looks = [looked_at(site, web) for web in (0, 1)]
    with Crowd(site.stack) as crowd, watched(looks[0]) as first, watched(looks[1]) as last:
        crowd.until_more_have_paid()
        for node in site.cluster.nodes:
            site.cluster.replace(node)
            crowd.until_more_have_paid()
    came_back = crowd.when_the_patient_come_back()
    ends = assert_settled(crowd)
    print(
        f"\nThree nodes replaced: answers {crowd.answers}, longest {crowd.longest_seconds:.1f} s,"
        f" {len(crowd.told_paid)} paid, {len(crowd.patient)} asked for patience, of whom {came_back}; {ends};"
        f" not ready for {longest(first):.1f} s and {longest(last):.1f} s at most"
    )
    assert max(longest(first), longest(last)) <= LONGEST_SECONDS
    assert_nobody_saw_an_error(crowd)
    assert set(came_back) <= {"paid"}
