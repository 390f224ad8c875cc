"""Facts about a broker, for operators: which exchanges and queues it has, compared with the topology."""

from dataclasses import dataclass, field
from enum import StrEnum

from messaging.topology import Binding


class Trouble(StrEnum):
    """The kinds of faults because of which a broker does not answer. Each kind has its own remedy."""

    AWAY = "away"
    ADDRESS = "address"
    """The address itself is wrong, so that nothing was tried."""
    LOGIN = "login"
    TLS = "tls"


@dataclass(frozen=True, slots=True)
class QueueFacts:
    """A queue as the broker has it. ``fault`` says how it differs from the topology; empty if it does not.

    ``messages`` counts those that are ready, without those that consumers hold.
    """

    name: str
    exists: bool
    messages: int = 0
    consumers: int = 0
    fault: str = ""
    bindings: frozenset[Binding] | None = None
    """The bindings, or None if they cannot be seen: AMQP has no method that lists them."""


@dataclass(frozen=True, slots=True)
class BrokerFacts:
    """The answers of one broker. ``fault`` says why there are none; empty if the broker was reached.

    ``trouble`` is the kind of that fault. ``exchanges`` maps the name of each exchange to its fault, which is
    empty if the exchange is as it should be.
    """

    user: str = ""
    version: str = ""
    fault: str = ""
    trouble: Trouble = Trouble.AWAY
    exchanges: dict[str, str] = field(default_factory=dict)
    queues: tuple[QueueFacts, ...] = ()
