"""Examine the nodes of the broker: connected, without alarms, and with enough copies of each queue."""

from collections.abc import Iterator, Mapping

from checkout.backoffice.display.values import quantity_text
from checkout.conf import conf
from checkout.management.gateway import control
from checkout.management.gateway.output import Finding

AREA = "broker"
# The number of copies that RabbitMQ makes of a queue by default.
USUAL_COPIES = 3
# Advice for alarms, which block every publisher (https://www.rabbitmq.com/docs/alarms).
ALARMS = {
    "disk": "Make room on that node's disk, or stop the node. Until then nothing can be published.",
    "memory": "Find the queue that nobody reads, or give the node more memory. Until then nothing can be "
    "published.",
}
OTHER_ALARM = "Look into that node's log. Until then nothing may be published."
KHEPRI = "rabbitmqctl enable_feature_flag --experimental khepri_db (docs/database-and-broker.md)."


def findings(program: str, queues: list[str]) -> Iterator[Finding]:
    """Yield the findings about the nodes and the copies of these queues. ``program`` is ``rabbitmqctl``."""
    try:
        nodes = control.nodes(program)
        copies = control.copies(program)
    except control.NotPossible as error:
        yield Finding(AREA, str(error), "Run it on the broker's machine, as a user who may.")
        return
    ours = {name: keepers for name, keepers in copies.items() if name in queues}
    found = [*_apart(nodes), *_alarms(nodes), *_copies(nodes, ours)]
    yield from found
    if not found:
        yield Finding(AREA, f"{quantity_text(len(nodes.members), 'node')}, without an alarm")


def _apart(nodes: control.Nodes) -> Iterator[Finding]:
    away = sorted(nodes.members - nodes.running)
    if len(away) * 2 >= len(nodes.members):
        text = (
            f"{len(nodes.running)} of {len(nodes.members)} nodes run, no majority: nothing can be published"
        )
        yield Finding(AREA, text, "Start the nodes that are away.")
    for name in away:
        advice = "Start it, or mend its network, before any other node is stopped."
        yield Finding(AREA, f"node {name} is away", advice)
    for name in sorted(nodes.in_maintenance & nodes.running):
        yield Finding(
            AREA, f"node {name} is drained", "If nobody upgrades it: rabbitmq-upgrade revive, there."
        )
    for name, others in sorted(nodes.partitions.items()):
        advice = f"Restart {name}. So that nodes join again by themselves: {KHEPRI}"
        yield Finding(AREA, f"node {name} is parted from {', '.join(sorted(others))}", advice)
    if len(nodes.members) > 1 and not nodes.has_khepri:
        text = "the nodes keep their metadata in Mnesia, in which a node that was away may stay parted"
        yield Finding(AREA, text, KHEPRI)


def _alarms(nodes: control.Nodes) -> Iterator[Finding]:
    for resource, name in sorted(nodes.alarms):
        yield Finding(AREA, f"node {name}: {resource} alarm", ALARMS.get(resource, OTHER_ALARM))


def _copies(nodes: control.Nodes, copies: Mapping[str, frozenset[str]]) -> Iterator[Finding]:
    """Report queues that have too few copies although other nodes could keep some."""
    wanted = min(conf.quorum_group_size or USUAL_COPIES, len(nodes.members))
    for queue, members in copies.items():
        lacking = sorted(nodes.members - members)
        if len(members) < wanted and lacking:
            text = f"queue {queue}: copies on {len(members)} of {len(nodes.members)} nodes"
            yield Finding(AREA, text, f"rabbitmq-queues grow {lacking[0]} all")
