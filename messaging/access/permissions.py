"""The permissions of a broker user on exchanges and queues, made from the table of participants.

RabbitMQ grants three rights by patterns of names: *configure*, *write* and *read* (RabbitMQ, "Access
Control"). A binding needs *write* on its queue and *read* on its exchange. On topic exchanges the routing key
of a publication or binding is checked as well ("Topic Authorisation"). Without that check, a participant
could bind its own queue for messages that are meant for another, and read them.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from messaging.access.participants import Participant, Participants
from messaging.topology import Topology

NOTHING = "^$"
DEFAULT_EXCHANGE = "amq.default"


@dataclass(frozen=True, slots=True)
class Topics:
    """Patterns of the routing keys with which a user may publish to an exchange, and bind to it."""

    write: str
    read: str


@dataclass(frozen=True, slots=True)
class Permissions:
    """One user's rights: patterns of names, and of routing keys by exchange."""

    configure: str
    write: str
    read: str
    topics: Mapping[str, Topics]

    def may_configure(self, queue: str) -> bool:
        """Return True if the user may declare and delete this queue."""
        return _matches(self.configure, queue)

    def may_publish(self, exchange: str, routing_key: str) -> bool:
        """Return True if the user may publish to this exchange with this routing key."""
        topics = self.topics.get(exchange)
        return _matches(self.write, exchange or DEFAULT_EXCHANGE) and (
            topics is None or _matches(topics.write, routing_key)
        )

    def may_read(self, queue: str) -> bool:
        """Return True if the user may consume from this queue."""
        return _matches(self.read, queue)

    def may_bind(self, queue: str, exchange: str, routing_key: str) -> bool:
        """Return True if the user may bind this queue to the exchange with this routing key."""
        topics = self.topics.get(exchange)
        return (
            _matches(self.write, queue)
            and _matches(self.read, exchange)
            and (topics is None or _matches(topics.read, routing_key))
        )


def permissions_of(participant: Participant, topology: Topology, table: Participants) -> Permissions:
    """Return the permissions that this participant's user needs, and no others."""
    if participant.is_foreign:
        return _permissions_of_foreign(participant, topology)
    own = _own_queues(participant, topology)
    written, read = _exchanges(participant, topology)
    kept = [re.escape(topology.dead)] if participant.relays else []
    return Permissions(
        configure=_any_of(own),
        write=_any_of([*map(re.escape, written), *own, *kept]),
        read=_any_of([*map(re.escape, read), *own, *kept]),
        topics={
            topology.commands: Topics(
                write=_any_of(map(re.escape, _services_asked(participant, table))),
                read=_any_of([re.escape(participant.name)] if participant.serves else []),
            ),
            topology.replies: Topics(
                write=_any_of(_answered_at(participant, topology, table)),
                read=_any_of(_addresses(participant, topology)),
            ),
            topology.events: Topics(
                write=_any_of(rf"{re.escape(word)}\..*" for word in _announced(participant, table)),
                read=_heard(participant),
            ),
        },
    )


def _permissions_of_foreign(participant: Participant, topology: Topology) -> Permissions:
    """Return the permissions to read a queue that exists, and to bind it.

    A user who may declare a queue can make it forward messages to any exchange to which that user may
    publish. So this user may publish nowhere.
    """
    queue = re.escape(topology.event_queue_name(participant.name))
    nothing = Topics(write=NOTHING, read=NOTHING)
    return Permissions(
        configure=NOTHING,
        write=_any_of([queue]),  # only for bindings: to publish, the default exchange is needed
        read=_any_of([queue, re.escape(topology.events)]),
        topics={
            topology.commands: nothing,
            topology.replies: nothing,
            topology.events: Topics(write=NOTHING, read=_heard(participant)),
        },
    )


def _own_queues(participant: Participant, topology: Topology) -> list[str]:
    """Return patterns of the queues that the participant declares and reads."""
    own = _addresses(participant, topology)
    if participant.serves:
        own.append(re.escape(topology.service_queue(participant.name).name))
    if participant.listens:
        own.append(re.escape(topology.event_queue(participant.name, ()).name))
    return own


def _exchanges(participant: Participant, topology: Topology) -> tuple[set[str], set[str]]:
    """Return the exchanges to which the participant publishes, and those to which it binds."""
    # Every connection publishes to its own queue, to check that messages still get through.
    written, read = {topology.replies}, {topology.replies}
    if participant.serves:
        # Declaring a queue requires the right to write to its dead-letter exchange.
        written.add(topology.dead)
        read.add(topology.commands)
    if participant.listens:
        written.add(topology.dead)
        read.add(topology.events)
    if participant.sends or participant.relays:
        written.add(topology.commands)
    if participant.announces or participant.relays:
        written.add(topology.events)
    if participant.may_push:
        written.add(topology.groups)
    if participant.has_channels:
        read.add(topology.groups)
    return written, read


def _addresses(participant: Participant, topology: Topology) -> list[str]:
    """Return patterns of the addresses at which the participant waits for replies."""
    addresses = [topology.instance_queues_of(participant.name)]
    if participant.replies:
        addresses.append(re.escape(topology.reply_queue(participant.replies).name))
    return addresses


def _answered_at(participant: Participant, topology: Topology, table: Participants) -> list[str]:
    """Return patterns of the addresses to which the participant replies: those of its askers, and its own."""
    if participant.relays:
        askers: Iterable[Participant] = table
    else:
        askers = [each for each in table if participant.serves and participant.name in each.asks]
    patterns = [pattern for each in (participant, *askers) for pattern in _addresses(each, topology)]
    return list(dict.fromkeys(patterns))


def _services_asked(participant: Participant, table: Participants) -> list[str]:
    every = [each.asks for each in table] if participant.relays else [participant.asks]
    return sorted(frozenset[str]().union(*every))


def _announced(participant: Participant, table: Participants) -> list[str]:
    every = [each.announces for each in table] if participant.relays else [participant.announces]
    return sorted(frozenset[str]().union(*every))


def _heard(participant: Participant) -> str:
    """Return the pattern of the keys by which the participant may bind its queue for events.

    The keys of an audience have three words. A binding for one audience alone must have three words as well:
    in a binding with ``#``, the name of the audience could match the second word of another audience's key.
    """
    if not participant.listens:
        return NOTHING
    if not participant.audiences:
        return ".*"
    return rf"^[^.#]+\.[^.#]+\.({'|'.join(sorted(map(re.escape, participant.audiences)))})$"


def _any_of(patterns: Iterable[str]) -> str:
    joined = "|".join(sorted(patterns))
    return f"^({joined})$" if joined else NOTHING


def _matches(pattern: str, name: str) -> bool:
    # RabbitMQ also finds a pattern in the middle of a name; ours are anchored. In Python, "$" would also
    # match before a final newline.
    return (
        re.search(pattern.removesuffix("$") + r"\Z" if pattern.endswith("$") else pattern, name) is not None
    )
