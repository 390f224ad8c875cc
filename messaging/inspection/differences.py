"""Compare the exchanges, queues and bindings under our prefix with the topology, and name the remedies."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from messaging.topology import GROUP_SIZE, Argument, Exchange, Queue, Topology


@dataclass(frozen=True, slots=True)
class Bound:
    """A binding that a virtual host has. Its ``target`` is a queue, or an exchange."""

    exchange: str
    key: str
    target: str
    is_queue: bool = True
    arguments: Mapping[str, Argument] = field(default_factory=dict, hash=False)

    def __str__(self) -> str:
        kind = "queue" if self.is_queue else "exchange"
        others = "".join(f", {name}={value}" for name, value in self.arguments.items())
        key = self.key or "every message"
        return f"the binding of the {kind} {self.target} to {self.exchange} for {key}{others}"


@dataclass(frozen=True, slots=True)
class There:
    """The contents of a virtual host: exchanges by kind, queues by arguments, and bindings.

    An unusual property, such as auto-delete, is shown as a part of an exchange's kind, or as an argument of a
    queue.
    """

    exchanges: Mapping[str, str]
    queues: Mapping[str, Mapping[str, Argument]]
    bindings: frozenset[Bound]


@dataclass(frozen=True, slots=True)
class Make:
    """Make a missing exchange or queue, with its bindings."""

    missing: Exchange | Queue

    def __str__(self) -> str:
        return "make it"


@dataclass(frozen=True, slots=True)
class MakeExchangeAnew:
    """Delete an exchange with its bindings, and make it again. Each binding has a remedy of its own."""

    exchange: Exchange

    def __str__(self) -> str:
        return "delete it, and make it anew"


@dataclass(frozen=True, slots=True)
class MakeQueueAnew:
    """Delete a queue that is empty and has no reader, and make it again with its bindings."""

    queue: Queue

    def __str__(self) -> str:
        bindings = " and ".join(f"{each.exchange} for {each.key}" for each in self.queue.bindings)
        bound = f", bound to {bindings}" if bindings else ""
        return f"make it anew{bound}, if it is empty and nothing reads it"


@dataclass(frozen=True, slots=True)
class Bind:
    """Bind a queue or an exchange."""

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
    """A difference between the broker and the topology, and its remedy."""

    text: str
    remedy: Remedy


def differences(topology: Topology, queues: Iterable[Queue], there: There) -> list[Difference]:
    """Return the differences in the order in which they have to be mended.

    Bindings come before queues, so that no message arrives at a queue that is about to be deleted. The queues
    of processes, and those of other programs that listen to events, are left to their owners.
    """
    every = {queue.name: queue for queue in queues}
    return [
        *_of_exchanges(topology, every, there),
        *_missing_bindings(every, there),
        *_unknown_bindings(topology, every, there),
        *_of_queues(every, there),
        *(
            Difference(f"the queue {name} is none of ours", DeleteQueue(name))
            for name in _unknown_queues(topology, every, there)
        ),
        *_unknown_exchanges(topology, there),
    ]


def _of_exchanges(topology: Topology, every: Mapping[str, Queue], there: There) -> Iterator[Difference]:
    for exchange in topology.exchanges:
        kind = there.exchanges.get(exchange.name)
        if kind is None:
            yield Difference(f"the exchange {exchange.name} is missing", Make(exchange))
        elif kind != exchange.kind:
            what = f"the exchange {exchange.name} is {kind}, and should be {exchange.kind}"
            yield Difference(what, MakeExchangeAnew(exchange))
            for bound in sorted(there.bindings, key=str):
                if bound.exchange == exchange.name and _is_known(topology, every, there, bound):
                    yield Difference(f"{bound} is deleted with the exchange", Bind(bound))


def _of_queues(every: Mapping[str, Queue], there: There) -> Iterator[Difference]:
    for queue in every.values():
        found = there.queues.get(queue.name)
        if found is None:
            yield Difference(f"the queue {queue.name} is missing", Make(queue))
        elif other := _other_arguments(queue.arguments, found):
            yield Difference(f"the queue {queue.name} has {'; '.join(other)}", MakeQueueAnew(queue))


def _other_arguments(wanted: Mapping[str, Argument], found: Mapping[str, Argument]) -> list[str]:
    """Return each argument that differs, but for the number of copies, which operators may change."""
    names = sorted({*wanted, *found} - {GROUP_SIZE})
    pairs = ((name, found.get(name, "none"), wanted.get(name, "none")) for name in names)
    return [f"{name}={actual}, not {right}" for name, actual, right in pairs if actual != right]


def _missing_bindings(every: Mapping[str, Queue], there: There) -> Iterator[Difference]:
    """Yield missing bindings of queues that exist. A missing queue gets its bindings when it is made."""
    for queue in every.values():
        for binding in queue.bindings if queue.name in there.queues else ():
            bound = Bound(binding.exchange, binding.key, queue.name)
            if bound not in there.bindings:
                yield Difference(f"{bound} is missing", Bind(bound))


def _unknown_bindings(topology: Topology, every: Mapping[str, Queue], there: There) -> Iterator[Difference]:
    exchanges = {exchange.name for exchange in topology.exchanges}
    targets = {*exchanges, *every, *_unknown_queues(topology, every, there)}
    for bound in sorted(there.bindings, key=str):
        is_ours = bound.exchange in exchanges or bound.target in targets
        if is_ours and not _is_known(topology, every, there, bound):
            yield Difference(f"{bound} is none of ours", Unbind(bound))


def _is_known(topology: Topology, every: Mapping[str, Queue], there: There, bound: Bound) -> bool:
    """Return True for our own bindings, those of processes, and other programs' bindings to events."""
    if not bound.is_queue:
        return bound.exchange == topology.events and not bound.target.startswith(f"{topology.prefix}.")
    if (queue := every.get(bound.target)) is not None:
        return bound in [Bound(each.exchange, each.key, queue.name) for each in queue.bindings]
    if bound.target.startswith(topology.instance_queue_name("")):
        is_reply = bound.exchange == topology.replies and bound.key == bound.target
        return is_reply or bound.exchange == topology.groups
    return bound.exchange == topology.events and bound.target not in _unknown_queues(topology, every, there)


def _unknown_queues(topology: Topology, every: Mapping[str, Queue], there: There) -> list[str]:
    """Return the queues whose names begin with our prefix, and that belong to no participant or process."""
    come_and_go = (topology.instance_queue_name(""), topology.event_queue_name(""))
    unknown = sorted(there.queues.keys() - every.keys())
    return [
        name
        for name in unknown
        if name.startswith(f"{topology.prefix}.") and not name.startswith(come_and_go)
    ]


def _unknown_exchanges(topology: Topology, there: There) -> Iterator[Difference]:
    for name in sorted(there.exchanges.keys() - {exchange.name for exchange in topology.exchanges}):
        if name.startswith(f"{topology.prefix}."):
            yield Difference(f"the exchange {name} is none of ours", DeleteExchange(name))
