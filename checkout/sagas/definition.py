"""What a saga definition is: a pure answer to "what next?".

A definition looks at the saga's data and at what has just been heard, and returns a ``Decision``. It reads no
table, sends nothing and keeps nothing: the orchestrator persists the decision and carries it out. So a flow
can be tested as a conversation, and a crash can only ever repeat a decision, never half of one.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Generic, Protocol, TypeVar

from checkout.commands import Body
from checkout.messaging.envelope import Reply


class End(StrEnum):
    """How a saga ends. A parked one waits for a human, or for the reply that it missed."""

    COMPLETED = "completed"
    COMPENSATED = "compensated"
    PARKED = "parked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A command to one service. Its reply moves the saga on."""

    service: str
    type: str
    body: Body
    delay_seconds: float = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Another saga, of ``kind``, that does a part of the work. It is started once per ``key``.

    One whose data names an ``operation`` gets that operation's row as well.
    """

    kind: str
    key: str
    data: Body


DataT = TypeVar("DataT", bound=Body)


@dataclass(frozen=True, kw_only=True)
class Decision(Generic[DataT]):
    """What happens now: the step the saga stands at, and everything that goes with reaching it.

    ``events`` move the payment (``states.PAYMENT_EDGES``), ``attempt_events`` the attempt; ``counts`` lets
    the payment follow the sums of its operations. ``tells`` answers whoever waits, ``signals`` tells the saga
    that started this one. ``starts`` starts another saga, whose signals move this one on. ``wait`` is how
    long the step may take; a step without ``ask`` and ``end`` waits for a signal. A decision that stays at
    its step and asks nothing leaves the reply that is awaited, and the deadline, as they were. ``why`` tells
    staff what a saga was parked for; ``is_overdue`` that a step has been tried too often.
    """

    step: str
    data: DataT
    ask: Ask | None = None
    events: tuple[str, ...] = ()
    attempt_events: tuple[str, ...] = ()
    counts: bool = False
    refusal_reason: str = ""
    tells: bool = False
    signals: str = ""
    starts: Start | None = None
    wait: timedelta | None = None
    end: End | None = None
    why: str = ""
    is_overdue: bool = False


class SagaDefinition(Protocol[DataT]):
    """A flow. Steps are known by name, so that new ones do not disturb sagas that are under way.

    ``steps`` names all of them: a saga that stands at another one, of another release, is parked. Fields that
    are added to the data have defaults.
    """

    kind: str
    data_type: type[DataT]

    @property
    def steps(self) -> frozenset[str]: ...

    def start(self, data: DataT) -> Decision[DataT]: ...

    def on_reply(self, step: str, data: DataT, reply: Reply) -> Decision[DataT]:
        """The reply to the step's command has come; an error reply is one too."""
        ...

    def on_signal(self, step: str, data: DataT, signal: str) -> Decision[DataT] | None:
        """Something happened that no command asked for; None when it means nothing at this step."""
        ...

    def on_deadline(self, step: str, data: DataT) -> Decision[DataT]:
        """The step has taken too long."""
        ...

    def on_resume(self, step: str, data: DataT) -> Decision[DataT]:
        """Staff want a parked saga to go on: carry its step out again, as often as if it were new."""
        ...
