"""Participants: the programs on the broker, each with its own user, and the messages that each may send.

RabbitMQ proves who sent a message: it refuses a message whose ``user_id`` is not the user of the connection
(RabbitMQ, "Validated User-ID"). Receivers look that user up in the table that is registered here, and the
broker's own permissions are made from the same table (``permissions.py``). A command's type begins with the
name of the service that it is for.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from messaging.conf import conf
from messaging.envelope import Envelope
from messaging.topology import Topology


@dataclass(frozen=True, slots=True)
class Participant:
    """One program. ``sends`` lists types of commands, ``announces`` the first words of types of events.

    A participant that ``serves`` answers the commands whose types begin with its name. ``replies`` names its
    durable queue for replies, if it has one. With ``listens`` it receives events: those of the ``audiences``
    that it names, or all. With ``has_channels`` it uses channels and groups of the channel layer, and with
    ``pushes`` it sends to groups. A participant that ``relays`` publishes messages that others have written,
    so it may send every type that they may send. One that ``is_foreign`` is a program of somebody else, which
    reads its queue of events and does nothing else on the broker: operators declare that queue for it.
    """

    name: str
    serves: bool = True
    sends: frozenset[str] = frozenset()
    replies: str = ""
    announces: frozenset[str] = frozenset()
    listens: bool = False
    audiences: frozenset[str] = frozenset()
    has_channels: bool = False
    pushes: bool = False
    relays: bool = False
    is_foreign: bool = False

    @property
    def asks(self) -> frozenset[str]:
        """The services to which the participant may send commands."""
        return frozenset(service_of(type) for type in self.sends)

    def may_send(self, type: str) -> bool:
        """Return True if the participant may send commands of this type."""
        return self.relays or type in self.sends

    def may_answer(self, service: str) -> bool:
        """Return True if the participant may answer the commands of this service."""
        return self.relays or (self.serves and self.name == service)

    def reads(self, topology: Topology, queue: str) -> bool:
        """Return True if the participant reads this queue of commands, replies or events."""
        own = {topology.service_queue(self.name).name} if self.serves else set()
        if self.replies:
            own.add(topology.reply_queue(self.replies).name)
        if self.listens:
            own.add(topology.event_queue(self.name, ()).name)
        return queue in own

    def hears_at(self, topology: Topology, address: str) -> bool:
        """Return True if the participant waits for replies at this address."""
        if self.replies and address == topology.reply_queue_name(self.replies):
            return True
        # Others may reply to exactly these addresses: the broker ends the connection of a program that
        # replies to any other.
        return re.fullmatch(topology.instance_queues_of(self.name), address) is not None

    @property
    def may_push(self) -> bool:
        """Return True if the participant may send to channels and groups of the channel layer."""
        return self.pushes or self.has_channels


def service_of(type: str) -> str:
    """Return the name of the service that handles commands of this type."""
    return type.partition(".")[0]


class Participants:
    """The table of all participants under one prefix."""

    def __init__(self, participants: Iterable[Participant] = ()) -> None:
        self._by_name: Mapping[str, Participant] = {each.name: each for each in participants}

    def __iter__(self) -> Iterator[Participant]:
        return iter(self._by_name.values())

    def of_user(self, topology: Topology, user: str) -> Participant | None:
        """Return the participant with this broker user, or None."""
        name = user.removeprefix(topology.user(""))
        return self._by_name.get(name) if user == topology.user(name) else None

    def fault_of(self, topology: Topology, queue: str, envelope: Envelope) -> str:
        """Return why the sender may not send this message to ``queue``; empty if it may."""
        for each in self:
            if each.replies and queue == topology.reply_queue_name(each.replies):
                return self.fault_of_reply(topology, envelope.user_id, each.asks)
        if queue.startswith(f"{topology.events}."):
            return self._event_error(topology, envelope)
        return self._command_error(topology, envelope)

    def _command_error(self, topology: Topology, envelope: Envelope) -> str:
        # The address for the reply must belong to the sender, too.
        sender = self.of_user(topology, envelope.user_id)
        if sender is None:
            return _is_nobody(envelope.user_id)
        if not sender.may_send(envelope.type):
            return f"{envelope.user_id} may not send {envelope.type}"
        if envelope.reply_to and not self._may_be_answered_at(topology, sender, envelope.reply_to):
            return f"{envelope.user_id} does not wait for replies at {envelope.reply_to}"
        return ""

    def fault_of_reply(self, topology: Topology, user: str, services: Iterable[str]) -> str:
        """Return why this user may not answer for any of these services; empty if it may."""
        sender = self.of_user(topology, user)
        if sender is None:
            return _is_nobody(user)
        if any(sender.may_answer(service) for service in services):
            return ""
        return f"{user} may not answer for {' or '.join(sorted(services))}"

    def push_error(self, topology: Topology, user: str) -> str:
        """Return why this user may not send to the channel layer; empty if it may."""
        sender = self.of_user(topology, user)
        if sender is None:
            return _is_nobody(user)
        return "" if sender.may_push else f"{user} may not send to channels and groups"

    def _event_error(self, topology: Topology, envelope: Envelope) -> str:
        sender = self.of_user(topology, envelope.user_id)
        if sender is None:
            return _is_nobody(envelope.user_id)
        if sender.relays or service_of(envelope.type) in sender.announces:
            return ""
        return f"{envelope.user_id} may not announce {envelope.type}"

    def _may_be_answered_at(self, topology: Topology, sender: Participant, address: str) -> bool:
        if sender.relays:
            return any(each.hears_at(topology, address) for each in self)
        return sender.hears_at(topology, address)


def _is_nobody(user: str) -> str:
    return f"{user} is no participant" if user else "the message proves no sender: it has no user_id"


_registered = Participants()


def register(participants: Participants) -> None:
    """Make this the table in which senders are looked up."""
    global _registered
    _registered = participants


def registered() -> Participants | None:
    """Return the table in which senders are looked up; None if all programs share one broker user."""
    return None if conf.is_single_broker_user else _registered
