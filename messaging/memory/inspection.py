"""An inspection of this process's in-memory broker, with the same result as that of a RabbitMQ."""

from collections.abc import Iterable

from messaging.broker import user_of
from messaging.inspection import BrokerFacts, QueueFacts
from messaging.memory.server import MemoryServer
from messaging.topology import Binding, Queue, Topology


def inspect(url: str, topology: Topology, queues: Iterable[Queue]) -> BrokerFacts:
    """Return which exchanges and queues of the topology the broker of this address has."""
    server = MemoryServer.at(url)
    if not server.is_up:
        return BrokerFacts(user=user_of(url), fault="it accepts no connections")
    with server.lock:
        return BrokerFacts(
            user=user_of(url),
            version="in memory",
            exchanges={
                each.name: "" if server.kinds.get(each.name) == each.kind else "missing"
                for each in topology.exchanges
            },
            queues=tuple(_facts_of(server, queue) for queue in queues),
        )


def _facts_of(server: MemoryServer, queue: Queue) -> QueueFacts:
    found = server.queues.get(queue.name)
    if found is None:
        return QueueFacts(queue.name, exists=False, fault="missing")
    bindings = frozenset(
        Binding(exchange, key)
        for exchange, keys in server.bindings.items()
        for key, bound in keys.items()
        if queue.name in bound
    )
    lacking = sorted(each.key for each in queue.bindings if each not in bindings)
    fault = f"not bound for {', '.join(lacking)}" if lacking else ""
    return QueueFacts(queue.name, True, len(found), found.consumers, fault, bindings)
