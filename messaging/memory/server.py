"""The state that the in-memory brokers of one address share: exchanges, bindings and queues."""

import asyncio
import threading
from collections.abc import Callable
from typing import Protocol
from urllib.parse import urlsplit

from messaging.access.permissions import Permissions
from messaging.delivery import Death
from messaging.envelope import Envelope
from messaging.errors import MessagingError, PublishRefused, Undeliverable
from messaging.memory.queue import MemoryQueue
from messaging.topology import Binding, Queue, Topology


class Connected(Protocol):
    """A broker that is told when the server starts and stops."""

    loop: asyncio.AbstractEventLoop

    def connect(self) -> None:
        """Connect: the server accepts connections."""

    def lose_connection(self) -> None:
        """Lose the connection: the server has stopped."""


_servers: dict[str, "MemoryServer"] = {}


class MemoryServer:
    """The exchanges and queues of one address. Every change is made under one lock.

    ``stop`` and ``resume`` simulate an outage: connections are lost, contents stay. ``permissions`` maps the
    names of users to theirs; while it is empty, every user may do everything.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.is_up = True
        self.queues: dict[str, MemoryQueue] = {}
        self.bindings: dict[str, dict[str, set[str]]] = {}  # exchange → key or pattern → queues
        self.kinds: dict[str, str] = {}
        self.brokers: set[Connected] = set()
        self.permissions: dict[str, Permissions] = {}

    @classmethod
    def at(cls, url: str) -> "MemoryServer":
        """Return the server of this address, whatever the user in it. It is created at its first use."""
        return _servers.setdefault(urlsplit(url).netloc.rpartition("@")[2], cls())

    def allows(self, user: str, is_allowed: Callable[[Permissions], bool]) -> bool:
        """Return True if ``is_allowed`` is true for the user's permissions."""
        if not self.permissions:
            return True
        permissions = self.permissions.get(user)
        return permissions is not None and is_allowed(permissions)

    def stop(self) -> None:
        """Lose every connection and accept no new one."""
        with self.lock:
            self.is_up = False
            brokers = list(self.brokers)
        for broker in brokers:
            _call_on(broker.loop, broker.lose_connection)

    def resume(self) -> None:
        """Accept connections again."""
        with self.lock:
            self.is_up = True
            brokers = list(self.brokers)
        for broker in brokers:
            _call_on(broker.loop, broker.connect)

    def declare(self, topology: Topology, queue: Queue) -> None:
        """Declare a queue without its bindings, and the exchanges of its topology."""
        with self.lock:
            for exchange in topology.exchanges:
                self.kinds[exchange.name] = exchange.kind
            if queue.name not in self.queues:
                self.queues[queue.name] = MemoryQueue(queue, self.lock, self.route_dead)

    def bind(self, queue: str, binding: Binding) -> None:
        """Route ``binding`` to ``queue``."""
        with self.lock:
            self.bindings.setdefault(binding.exchange, {}).setdefault(binding.key, set()).add(queue)

    def unbind(self, queue: str, binding: Binding) -> None:
        """Undo ``bind``."""
        with self.lock:
            keys = self.bindings.get(binding.exchange, {})
            bound = keys.get(binding.key, set())
            bound.discard(queue)
            if not bound:
                keys.pop(binding.key, None)

    def delete(self, queue: str) -> None:
        """Delete a queue with its contents, and notify its readers."""
        with self.lock:
            removed = self.queues.pop(queue, None)
            for exchange, keys in self.bindings.items():
                for key in list(keys):
                    self.unbind(queue, Binding(exchange, key))
        if removed is not None:
            removed.delete()

    def route(
        self, exchange: str, routing_key: str, envelope: Envelope, death: Death | None = None
    ) -> MessagingError | None:
        """Put a message into every queue that is bound for it. Return an error for its publisher, or None."""
        with self.lock:
            queues = [self.queues[name] for name in self._bound(exchange, routing_key) if name in self.queues]
            if not queues:
                return Undeliverable(f"no queue is bound to {exchange} for {routing_key}")
            taken = [queue.put(exchange, routing_key, envelope, death) for queue in queues]
            return None if all(taken) else PublishRefused(f"a queue bound to {exchange} is full")

    def route_dead(self, exchange: str, key: str, envelope: Envelope, death: Death) -> None:
        """Dead-letter a message that its queue has given up on."""
        self.route(exchange, key, envelope, death)

    def _bound(self, exchange: str, routing_key: str) -> set[str]:
        if exchange == "":
            return {routing_key}
        keys = self.bindings.get(exchange, {})
        match self.kinds.get(exchange):
            case "fanout":
                return set().union(*keys.values())
            case "topic":
                words = routing_key.split(".")
                matching = [
                    bound
                    for pattern, bound in keys.items()
                    if pattern == routing_key
                    or (("*" in pattern or "#" in pattern) and topic_matches(pattern.split("."), words))
                ]
                return set().union(*matching)
            case _:
                return keys.get(routing_key, set())


def _call_on(loop: asyncio.AbstractEventLoop, function: Callable[[], None]) -> None:
    """Call at once if this is the running loop, so that nothing happens between an outage and its effects."""
    if asyncio._get_running_loop() is loop:
        function()
    elif not loop.is_closed():
        loop.call_soon_threadsafe(function)


def topic_matches(pattern: list[str], words: list[str]) -> bool:
    """Return True if the words match an AMQP 0-9-1 topic: ``*`` is one word, ``#`` any number of words."""
    if not pattern:
        return not words
    if pattern[0] == "#":
        return any(topic_matches(pattern[1:], words[start:]) for start in range(len(words) + 1))
    return bool(words) and pattern[0] in ("*", words[0]) and topic_matches(pattern[1:], words[1:])
