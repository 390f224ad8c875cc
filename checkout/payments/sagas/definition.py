"""The interface of a saga definition: a pure function that decides the next step.

A definition takes the saga's data and the reply, signal or deadline that has just arrived, and returns a
``Decision``. It reads no table, sends nothing and keeps nothing: the orchestrator stores the decision and
carries it out. So tests can play a flow as a conversation, and a crash can only repeat a whole decision.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, Generic, Protocol, TypeVar

from checkout.messages import Body, Command
from checkout.payments.sagas.signals import Heard
from checkout.states import AttemptEvent, PaymentEvent
from messaging.envelope import Reply


class End(StrEnum):
    """The end of a saga. A parked saga waits for staff, or for the reply that did not arrive in time."""

    COMPLETED = "completed"
    COMPENSATED = "compensated"
    PARKED = "parked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A command to one service. The saga continues at its reply.

    A delayed command goes without the card data, unless the command ``keeps_card``: then the card data waits
    in the memory of this process.
    """

    command: Command[Any]
    delay_seconds: float = 0
    keeps_card: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """A child saga, of ``kind``, that does a part of the work. It is started once per ``key``.

    If ``data`` is ``OperationData``, the row of that operation is inserted as well.
    """

    kind: str
    key: str
    data: Body


DataT = TypeVar("DataT", bound=Body)


@dataclass(frozen=True, kw_only=True)
class Decision(Generic[DataT]):
    """The next step of a saga, and everything that happens when the saga reaches it.

    ``side_commands`` are commands that cannot be refused, such as postings: the outbox delivers them, their
    services do not answer, and no saga waits for them. ``transitions`` move the payment
    (``states.PAYMENT_EDGES``), ``attempt_transitions`` the attempt. If ``recalculate`` is true, the payment's
    state is calculated from the sums of its operations. If ``ends_doubt`` is true, a payment whose refusal
    was in doubt is refused again, unless anything else about it is in doubt. If ``reply_to_waiters`` is true,
    callers that wait for the payment get a reply. ``notify_parent`` is the signal to the saga that started
    this one. It is not sent if a transition comes too late. ``child`` is another saga to start; its signals
    move this saga on. ``timeout`` is the longest time that the step may take.

    A step without ``ask`` and ``end`` waits for a signal. A decision that keeps the step and asks nothing
    leaves the awaited reply and the deadline as they were. ``why`` tells staff why a saga was parked.
    ``is_overdue`` says that a step has been tried too often.
    """

    step: str
    data: DataT
    ask: Ask | None = None
    side_commands: tuple[Command[Any], ...] = ()
    transitions: tuple[PaymentEvent, ...] = ()
    attempt_transitions: tuple[AttemptEvent, ...] = ()
    recalculate: bool = False
    ends_doubt: bool = False
    refusal_reason: str = ""
    reply_to_waiters: bool = False
    notify_parent: Heard | None = None
    child: Start | None = None
    timeout: timedelta | None = None
    end: End | None = None
    why: str = ""
    is_overdue: bool = False


class SagaDefinition(Protocol[DataT]):
    """The definition of a flow. Rows refer to steps by name, so a new step does not disturb running sagas.

    ``steps`` has the names of all steps: a saga at a step of another release, which is not among them, is
    parked. Fields that are added to the data have defaults. ``questions`` maps a step to its command, whose
    class decides which replies are well-formed.
    """

    kind: str
    data_type: type[DataT]

    @property
    def steps(self) -> frozenset[str]: ...

    @property
    def questions(self) -> Mapping[str, type[Command[Any]]]: ...

    def start(self, data: DataT) -> Decision[DataT]: ...

    def on_reply(self, step: str, data: DataT, reply: Reply) -> Decision[DataT]:
        """Handle the reply to the step's command, which may be an error.

        The result has been checked. A malformed reply is replaced by an error that ``tells_nothing``.
        """
        ...

    def on_signal(self, step: str, data: DataT, signal: Heard) -> Decision[DataT] | None:
        """Handle a signal. Return None if this step ignores it."""
        ...

    def on_deadline(self, step: str, data: DataT) -> Decision[DataT]:
        """Handle a step that has taken too long."""
        ...

    def on_resume(self, step: str, data: DataT) -> Decision[DataT]:
        """Repeat the step of a parked saga, because staff ask for it. Its count of retries starts at zero."""
        ...
