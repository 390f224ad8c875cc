"""A message that has arrived, with the broker's data about its delivery."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

import msgspec

from messaging.envelope import Envelope


@dataclass(frozen=True, slots=True)
class Death:
    """The queue in which the broker gave up a message, and its reason, for example ``delivery_limit``."""

    queue: str
    reason: str


class Outcome(Enum):
    """The end of a delivery."""

    DONE = auto()
    FAILED = auto()
    REFUSED = auto()
    UNTRIED = auto()


class Delivery(msgspec.Struct, kw_only=True):
    """A message that has arrived. If it breaks the contract, ``envelope`` is None, and ``defect`` says how.

    In that case ``remains`` contains the readable properties and headers, with a digest in place of the body.
    ``delivery_count`` is the number of earlier deliveries. A message with a ``death`` was dead-lettered by
    the broker. Acknowledging twice, or after the connection was lost, does nothing: the broker delivers an
    unacknowledged message again.
    """

    envelope: Envelope | None
    exchange: str
    routing_key: str
    queue: str = ""
    raw: bytes = b""
    defect: str = ""
    remains: Envelope | None = None
    delivery_count: int = 0
    redelivered: bool = False
    death: Death | None = None
    settle: Callable[[Outcome], None] | None = None

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        # The raw message is left out, because it may hold secrets.
        shown = ("envelope", "queue", "routing_key", "delivery_count", "defect")
        return [(name, getattr(self, name)) for name in shown]

    def __repr__(self) -> str:
        return f"Delivery({', '.join(f'{name}={value!r}' for name, value in self.__rich_repr__())})"

    def ack(self) -> None:
        """Acknowledge the message."""
        self._settle(Outcome.DONE)

    def reject(self, *, requeue: bool) -> None:
        """Report a failed attempt, which counts toward the delivery limit. Dead-letter unless ``requeue``."""
        self._settle(Outcome.FAILED if requeue else Outcome.REFUSED)

    def give_back(self) -> None:
        """Return the message to its queue unhandled. RabbitMQ up to version 4.2 counts that as a delivery."""
        self._settle(Outcome.UNTRIED)

    def _settle(self, outcome: Outcome) -> None:
        settle, self.settle = self.settle, None
        if settle is not None:
            settle(outcome)
