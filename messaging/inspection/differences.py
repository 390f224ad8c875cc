"""Compare what a broker has within our names with what it should have, and say how to mend that."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from messaging.topology import GROUP_SIZE, Argument, Exchange, Queue, Topology


@dataclass(frozen=True, slots=True, order=True)
class Bound:
    """A binding of a virtual host. Its ``target`` is a queue, or an exchange."""

    exchange: str
    key: str
    target: str
    is_queue: bool = True
    arguments: Mapping[str, Argument] = field(default_factory=dict, compare=False)

    def __str__(self) -> str:
        kind = "queue" if self.is_queue else "exchange"
        return f"the binding of the {kind} {self.target} to {self.exchange} for {self.key or 'every message'}"


@dataclass(frozen=True, slots=True)
class There:
    """The contents of a virtual host: exchanges by kind, queues by arguments, and bindings.

    Whatever else is unusual about an exchange or a queue is told like one more kind or argument.
    """

    exchanges: Mapping[str, str]
    queues: Mapping[str, Mapping[str, Argument]]
    bindings: frozenset[Bound]


@dataclass(frozen=True, slots=True)
class Make:
    """Make what is missing, with its bindings."""

    missing: Exchange | Queue

    def __str__(self) -> str:
        return "make it"


@dataclass(frozen=True, slots=True)
class MakeExchangeAnew:
    """Delete an exchange, make it anew, and bind the queues again that were bound to it."""

    exchange: Exchange
    bindings: tuple[Bound, ...]

    def __str__(self) -> str:
        return f"delete it, make it anew, and bind {len(self.bindings)} queues to it again"


@dataclass(frozen=True, slots=True)
class MakeQueueAnew:
    """Delete a queue that is empty and has no reader, and make it anew."""

    queue: Queue

    def __str__(self) -> str:
        return "make it anew, if it is empty and nothing reads it"


@dataclass(frozen=True, slots=True)
class Bind:
    """Bind a queue."""

    bound: Bound

    def __str__(self) -> str:
        return "bind it"


@dataclass(frozen=True, slots=True)
class Unbind:
    """Remove a binding."""

    bound: Bound

    def __str__(self) -> str:
        return "remove it"


@dataclass(frozen=True, slots=True)
class DeleteQueue:
    """Delete a queue that is empty and has no reader."""

    name: str

    def __str__(self) -> str:
        return "delete it, if it is empty and nothing reads it"


@dataclass(frozen=True, slots=True)
class DeleteExchange:
    """Delete an exchange to which nothing is bound."""

    name: str

    def __str__(self) -> str:
        return "delete it, if nothing is bound to it"


Remedy = Make | MakeExchangeAnew | MakeQueueAnew | Bind | Unbind | DeleteQueue | DeleteExchange


@dataclass(frozen=True, slots=True)
class Difference:
    """A difference between what there is and what should be, and its remedy."""

    text: str
    remedy: Remedy


def differences(topology: Topology, queues: Iterable[Queue], there: There) -> list[Difference]:
    """Return the differences in the order in which they have to be mended.

    Queues of processes, and those of other programs that listen to events, come and go with their owners.
    """
    every = {queue.name: queue for queue in queues}
    return [
        *_of_exchanges(topology, there),
        *_of_queues(every, there),
        *_missing_bindings(every, there),
        *_unknown_bindings(topology, every, there),
        *_unknown_queues(topology, every, there),
        *_unknown_exchanges(topology, there),
    ]


def _of_exchanges(topology: Topology, there: There) -> Iterator[Difference]:
    for exchange in topology.exchanges:
        kind = there.exchanges.get(exchange.name)
        if kind is None:
            yield Difference(f"the exchange {exchange.name} is missing", Make(exchange))
        elif kind != exchange.kind:
            every = sorted(bound for bound in there.bindings if bound.exchange == exchange.name)
            bindings = tuple(bound for bound in every if bound.is_queue)
            what = f"the exchange {exchange.name} is {kind}, and should be {exchange.kind}"
            yield Difference(what, MakeExchangeAnew(exchange, bindings))


def _of_queues(every: Mapping[str, Queue], there: There) -> Iterator[Difference]:
    for queue in every.values():
        found = there.queues.get(queue.name)
        if found is None:
            yield Difference(f"the queue {queue.name} is missing", Make(queue))
        elif other := _other_arguments(queue.arguments, found):
            yield Difference(f"the queue {queue.name} has {'; '.join(other)}", MakeQueueAnew(queue))


def _other_arguments(wanted: Mapping[str, Argument], found: Mapping[str, Argument]) -> list[str]:
    """Return each argument that differs. Operators change the number of copies, so that is left alone."""
    names = sorted({*wanted, *found} - {GROUP_SIZE})
    pairs = ((name, found.get(name, "none"), wanted.get(name, "none")) for name in names)
    return [f"{name}={actual}, not {right}" for name, actual, right in pairs if actual != right]


def _missing_bindings(every: Mapping[str, Queue], there: There) -> Iterator[Difference]:
    """Yield those of queues that exist. The others are bound when they are made."""
    for queue in every.values():
        for binding in queue.bindings if queue.name in there.queues else ():
            bound = Bound(binding.exchange, binding.key, queue.name)
            if bound not in there.bindings:
                yield Difference(f"{bound} is missing", Bind(bound))


def _unknown_bindings(topology: Topology, every: Mapping[str, Queue], there: There) -> Iterator[Difference]:
    exchanges = {exchange.name for exchange in topology.exchanges}
    for bound in sorted(there.bindings):
        is_ours = bound.exchange in exchanges or bound.target in exchanges or bound.target in every
        if is_ours and not _is_known(topology, every, bound):
            yield Difference(f"{bound} is none of ours", Unbind(bound))


def _is_known(topology: Topology, every: Mapping[str, Queue], bound: Bound) -> bool:
    """Return True for our own bindings, for those of processes, and for events that others listen to."""
    if not bound.is_queue:
        return False
    if (queue := every.get(bound.target)) is not None:
        return any((bound.exchange, bound.key) == (each.exchange, each.key) for each in queue.bindings)
    if bound.target.startswith(topology.instance_queue_name("")):
        is_reply = bound.exchange == topology.replies and bound.key == bound.target
        return is_reply or bound.exchange == topology.groups
    return bound.exchange == topology.events


def _unknown_queues(topology: Topology, every: Mapping[str, Queue], there: There) -> Iterator[Difference]:
    come_and_go = (topology.instance_queue_name(""), topology.event_queue_name(""))
    for name in sorted(there.queues.keys() - every.keys()):
        if name.startswith(f"{topology.prefix}.") and not name.startswith(come_and_go):
            yield Difference(f"the queue {name} is none of ours", DeleteQueue(name))


def _unknown_exchanges(topology: Topology, there: There) -> Iterator[Difference]:
    for name in sorted(there.exchanges.keys() - {exchange.name for exchange in topology.exchanges}):
        if name.startswith(f"{topology.prefix}."):
            yield Difference(f"the exchange {name} is none of ours", DeleteExchange(name))
