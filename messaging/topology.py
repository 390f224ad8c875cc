"""The exchanges, queues and bindings of the gateway. Every broker implementation declares them from here.

A quorum queue dead-letters at least once only with ``reject-publish`` and a dead-letter exchange (RabbitMQ
4.0, quorum queues, "Activating at-least-once dead-lettering"). A full queue then answers with a nack.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

Argument = str | int

GROUP_SIZE = "x-quorum-initial-group-size"

INSTANCE_QUEUE_EXPIRY_MILLISECONDS = 300_000
BROKER_DELIVERY_LIMIT = 20
MAX_LENGTH = 100_000
CONSUMER_TIMEOUT_MILLISECONDS = 600_000


@dataclass(frozen=True, slots=True)
class Exchange:
    """A durable exchange; ``kind`` is direct, topic or fanout."""

    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class Binding:
    """Messages to ``exchange`` with routing key ``key`` go to the queue that has this binding."""

    exchange: str
    key: str


@dataclass(frozen=True, slots=True)
class Queue:
    """A durable, non-exclusive queue with its arguments and permanent bindings.

    A queue that ``is_common`` belongs to no participant, and is declared only if it does not exist.
    """

    name: str
    arguments: Mapping[str, Argument] = field(hash=False)
    bindings: tuple[Binding, ...] = ()
    is_common: bool = False


@dataclass(frozen=True, slots=True)
class Topology:
    """All names under one prefix.

    Quorum queues are made with ``quorum_group_size`` copies; 0 leaves the number to the broker.
    """

    prefix: str
    quorum_group_size: int = 0

    @property
    def commands(self) -> str:
        """Topic exchange; the routing key is a service's name."""
        return f"{self.prefix}.commands"

    @property
    def replies(self) -> str:
        """Topic exchange; the routing key is the reply queue's name."""
        return f"{self.prefix}.replies"

    @property
    def events(self) -> str:
        """Topic exchange; the routing key is the event's type, followed by its audience if it has one."""
        return f"{self.prefix}.events"

    @staticmethod
    def event_key(type: str, audience: str = "") -> str:
        """Return the routing key of an event: its type, followed by its audience if it has one."""
        return f"{type}.{audience}" if audience else type

    @property
    def groups(self) -> str:
        """Direct exchange; the routing key is a channel-layer group."""
        return f"{self.prefix}.groups"

    @property
    def dead(self) -> str:
        """The name of the fanout exchange for dead letters, and of the queue that it fills."""
        return f"{self.prefix}.dead"

    @property
    def parked(self) -> str:
        """The name of the queue for unreadable dead letters, which the default exchange routes to it."""
        return f"{self.prefix}.parked"

    @property
    def exchanges(self) -> tuple[Exchange, ...]:
        """The exchanges, which every connection declares if they do not exist.

        Routing keys are compared as a whole. The exchanges for commands and replies are topic exchanges only
        because RabbitMQ can restrict the routing keys of a user on those alone.
        """
        return (
            Exchange(self.commands, "topic"),
            Exchange(self.replies, "topic"),
            Exchange(self.events, "topic"),
            Exchange(self.groups, "direct"),
            Exchange(self.dead, "fanout"),
        )

    @property
    def dead_queue(self) -> Queue:
        """The queue of dead letters. Unreadable ones go to the parked queue, so that others are read."""
        arguments: dict[str, Argument] = {
            **self._quorum,
            "x-delivery-limit": BROKER_DELIVERY_LIMIT,
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": self.parked,
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",
        }
        return Queue(self.dead, arguments, (Binding(self.dead, ""),), is_common=True)

    @property
    def parked_queue(self) -> Queue:
        """The queue of unreadable dead letters. No process reads it; operators empty it."""
        arguments: dict[str, Argument] = {
            **self._quorum,
            "x-delivery-limit": BROKER_DELIVERY_LIMIT,
            "x-max-length": MAX_LENGTH,
        }
        return Queue(self.parked, arguments, is_common=True)

    @property
    def common_queues(self) -> tuple[Queue, ...]:
        """The queues that belong to no participant: those of dead letters, and of unreadable ones."""
        return self.parked_queue, self.dead_queue

    def service_queue(self, service: str) -> Queue:
        """Return the queue for a service's commands."""
        return self._work_queue(f"{self.commands}.{service}", Binding(self.commands, service))

    def reply_queue(self, name: str) -> Queue:
        """Return the queue for the replies to a participant that reads them from a durable queue."""
        queue = self.reply_queue_name(name)
        return self._work_queue(queue, Binding(self.replies, queue))

    def reply_queue_name(self, name: str) -> str:
        """Return the name of the queue of ``reply_queue``."""
        return f"{self.replies}.{name}"

    def event_queue(self, service: str, patterns: tuple[str, ...], *, hints_only: bool = False) -> Queue:
        """Return the queue for the events that a service listens to.

        If the events are ``hints_only``, because the service finds those that it has missed, a full queue
        drops its oldest message. Any other full queue refuses an event, and its publisher repeats the event
        for all listeners.
        """
        bindings = tuple(Binding(self.events, pattern) for pattern in patterns)
        queue = self._work_queue(self.event_queue_name(service), *bindings)
        if not hints_only:
            return queue
        # It has no dead-letter exchange: messages that a full queue drops would fill the queue of dead
        # letters.
        dropping = {
            name: value for name, value in queue.arguments.items() if not name.startswith("x-dead-letter-")
        }
        return Queue(queue.name, {**dropping, "x-overflow": "drop-head"}, bindings)

    def event_queue_name(self, service: str) -> str:
        """Return the name of the queue for the events that a service listens to."""
        return f"{self.events}.{service}"

    def _work_queue(self, name: str, *bindings: Binding) -> Queue:
        arguments: dict[str, Argument] = {
            **self._quorum,
            "x-delivery-limit": BROKER_DELIVERY_LIMIT,
            "x-dead-letter-exchange": self.dead,
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",
            "x-max-length": MAX_LENGTH,
            "x-consumer-timeout": CONSUMER_TIMEOUT_MILLISECONDS,
        }
        return Queue(name, arguments, bindings)

    @property
    def _quorum(self) -> dict[str, Argument]:
        size: dict[str, Argument] = {GROUP_SIZE: self.quorum_group_size} if self.quorum_group_size else {}
        return {"x-queue-type": "quorum", **size}

    @property
    def replicated(self) -> str:
        """A pattern that matches the names of all quorum queues, and of no others."""
        return rf"^{re.escape(self.prefix)}\.((commands|replies|events)\.|(dead|parked)$)"

    def user(self, participant: str) -> str:
        """Return the name of a participant's broker user."""
        return f"{self.prefix}.{participant}"

    def owner_of(self, user: str) -> str:
        """Return the part of a user's name that also is in the names of its processes' queues."""
        return re.sub(r"[^A-Za-z0-9_]", "_", user.removeprefix(f"{self.prefix}."))[:30]

    def instance_queue_name(self, instance_id: str) -> str:
        """Return the name of the queue of one process. The names of one program's queues begin alike."""
        return f"{self.prefix}.node.{instance_id}"

    def instance_queues_of(self, participant: str) -> str:
        """Return a pattern of the names of all queues that the processes of a participant use."""
        owner = self.owner_of(self.user(participant))
        return re.escape(self.instance_queue_name(f"{owner}-")) + "[0-9a-f]+"

    def instance_queue(self, instance_id: str, successor: int = 0) -> Queue:
        """Return the queue of one process, for replies and channel-layer traffic, until the process ends.

        The queue outlives a reconnection. It is durable and not exclusive, because transient queues are
        deprecated, and an exclusive queue stays locked after a silent loss of the connection. If its node has
        stopped, a ``successor`` with another name on another node receives the messages to the same address.
        """
        address = self.instance_queue_name(instance_id)
        name = f"{address}{successor:02x}" if successor else address
        arguments: dict[str, Argument] = {
            "x-queue-type": "classic",
            "x-expires": INSTANCE_QUEUE_EXPIRY_MILLISECONDS,
            "x-max-length": MAX_LENGTH,
        }
        return Queue(name, arguments, (Binding(self.replies, address),))

    def may_go_unheard(self, exchange: str, routing_key: str) -> bool:
        """Return True if a message that no queue took can be dropped, because nobody waits for it.

        That is so for events and for replies to a process that has ended, and never for commands.
        """
        if exchange == self.replies:
            return routing_key.startswith(self.instance_queue_name(""))
        return exchange in (self.events, self.groups)
