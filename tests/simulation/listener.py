"""A program of the merchant that listens to all events, beside the processes of the product."""

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING

from checkout.conf import conf
from messaging.delivery import Delivery
from messaging.memory.queue import Reader
from messaging.memory.server import MemoryServer
from messaging.topology import Topology
from tests.simulation import network

if TYPE_CHECKING:
    from tests.simulation.invariants import Ledgers
    from tests.simulation.world import World

NAME, PATTERN = "warehouse", "*.*.*"


class Listener:
    """The listener, which never fails: events that it has not ``heard`` were lost before its queue."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.heard: set[str] = set()
        self._loop = loop

    def listen(self) -> None:
        """Declare and bind the queue as docs/messages.md says, and read it from now on."""
        topology, server = Topology(conf.prefix), MemoryServer.at(network.URL)
        queue = topology.event_queue(NAME, (PATTERN,))
        server.declare(topology, queue)
        for binding in queue.bindings:
            server.bind(queue.name, binding)
        server.queues[queue.name].add(Reader(queue.name, self._hear, self._loop, None, auto_ack=True))

    def _hear(self, delivery: Delivery) -> None:
        if delivery.envelope is not None:
            self.heard.add(delivery.envelope.message_id)


def check(world: "World", books: "Ledgers") -> Iterator[str]:
    """Yield all events that the listener did not get, whatever the outbox says about them."""
    for event, type in books.rows("SELECT reference, type FROM payments_event ORDER BY id"):
        if event not in world.listener.heard:
            yield f"I11: the listener did not get the event {type} {event}"
