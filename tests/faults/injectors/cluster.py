"""Faults of single nodes of a RabbitMQ cluster: killed, paused, cut off, full, or replaced by an upgrade."""

import asyncio
import contextlib

from scripts.services.rabbitmq import Rabbitmq
from tests.faults.injectors.storm import Storm
from tests.support.cluster import Cluster, paused

AWAY_SECONDS = 10
# Once shorter and once longer than the time after which silent nodes count as lost.
PAUSES_SECONDS = (5, 20)
ALARM_SECONDS = 6


def _cluster(storm: Storm) -> Cluster:
    assert isinstance(storm.site.rabbitmq, Cluster), "the campaign has no cluster"
    return storm.site.rabbitmq


def _any_node(storm: Storm) -> Rabbitmq:
    return storm.random.choice(_cluster(storm).nodes)


async def kill_node(storm: Storm) -> str:
    node = _any_node(storm)
    await asyncio.to_thread(node.kill)
    try:
        await storm.last(AWAY_SECONDS)
    finally:
        await asyncio.to_thread(node.start)
    return f"node {node.node} killed, and started again later"


async def kill_majority(storm: Storm) -> str:
    cluster = _cluster(storm)
    lost = storm.random.sample(cluster.nodes, 2)
    for node in lost:
        await asyncio.to_thread(node.kill)
    try:
        await storm.last(AWAY_SECONDS)
    finally:
        await asyncio.to_thread(cluster.start_nodes, lost)
    return f"nodes {' and '.join(node.node for node in lost)} killed, and started again later"


async def pause_node(storm: Storm) -> str:
    node, seconds = _any_node(storm), storm.random.choice(PAUSES_SECONDS)
    with paused(node):
        await storm.last(seconds)
    return f"node {node.node} stopped and continued"


async def pause_majority(storm: Storm) -> str:
    """Stop two nodes so briefly that the third still takes them for alive, and waits for them."""
    with paused(*storm.random.sample(_cluster(storm).nodes, 2)):
        await storm.last(min(PAUSES_SECONDS))
    return "two nodes stopped and continued"


async def cut_off_node(storm: Storm) -> str:
    """Separate one node from the others. Clients reach both sides, only one of which has a majority."""
    cluster, node = _cluster(storm), _any_node(storm)
    async with contextlib.AsyncExitStack() as joining:
        parted = cluster.cut_off(node)
        await asyncio.to_thread(parted.__enter__)
        joining.push_async_callback(asyncio.to_thread, parted.__exit__, None, None, None)
        await storm.last(AWAY_SECONDS)
    return f"node {node.node} cut off from the others"


async def fill_disk(storm: Storm) -> str:
    node = _any_node(storm)
    await asyncio.to_thread(node.run, "rabbitmqctl", "set_disk_free_limit", "100000GB")
    try:
        await storm.last(ALARM_SECONDS)
    finally:
        await asyncio.to_thread(node.run, "rabbitmqctl", "set_disk_free_limit", "50MB")
    return f"disk of node {node.node} full"


async def upgrade(storm: Storm) -> str:
    cluster = _cluster(storm)
    for node in cluster.nodes:
        await asyncio.to_thread(cluster.replace, node)
    return "every node drained and restarted, one after the other"
