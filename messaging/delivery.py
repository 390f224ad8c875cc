"""A message that has arrived, and what the broker says of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from messaging.envelope import Envelope


@dataclass(frozen=True, slots=True)
class Death:
    """The queue whose message the broker gave up on, and its word for why: ``delivery_limit``, say."""

    queue: str
    reason: str


class Delivery(msgspec.Struct, kw_only=True):
    """A message that has arrived. ``envelope`` is None when it breaks the contract; ``defect`` says how.

    ``remains`` is then what can be read of its properties and headers, with a digest in place of the body.
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
    settle: Callable[[bool, bool], None] | None = None

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        # Not the raw message, which may hold secrets.
        shown = ("envelope", "queue", "routing_key", "delivery_count", "defect")
        return [(name, getattr(self, name)) for name in shown]

    def __repr__(self) -> str:
        return f"Delivery({', '.join(f'{name}={value!r}' for name, value in self.__rich_repr__())})"

    def ack(self) -> None:
        """The message is dealt with."""
        self._settle(True, False)

    def reject(self, *, requeue: bool) -> None:
        """This attempt failed. Counts toward the delivery limit; without ``requeue``: a dead letter."""
        self._settle(False, requeue)

    def _settle(self, is_done: bool, requeue: bool) -> None:
        settle, self.settle = self.settle, None
        if settle is not None:
            settle(is_done, requeue)
