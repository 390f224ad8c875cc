"""Sagas as tables: a row is a step, with the command that it sends and the step after each answer.

The rows show how a flow goes. Guards and exceptions are functions that the rows name: they get the saga's
data, and return a decision. To have the saga take another step, a function returns ``Go``; the row of that
step then adds its command.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import Enum, StrEnum
from functools import cached_property
from typing import Any, Generic

from msgspec.structs import replace as with_changes

from checkout.messages import Answer, Command
from checkout.payments.sagas.definition import Ask, DataT, Decision, End, Start
from checkout.payments.sagas.pauses import OVERDUE
from checkout.payments.sagas.repeating import asked_again
from checkout.payments.sagas.signals import Heard
from messaging.envelope import Reply


@dataclass(frozen=True, kw_only=True)
class Go(Decision[DataT]):
    """The decision to take a step. Its command is sent after ``delay_seconds``."""

    delay_seconds: float = 0


class Repeated(Enum):
    """The replies after which a question is asked again, a few times, before its outcome is decided.

    A retryable error says that nothing was done. After a malformed reply that is not known, so a question
    that is repeated ``ALWAYS`` must be harmless; one that may move money is repeated ``IF_NOT_DONE``.
    """

    NEVER = "never"
    IF_NOT_DONE = "if not done"
    ALWAYS = "always"


# The next step, with its own count of tries; the end of the saga, at this step; or a function that decides.
AfterAnswer = str | End | Callable[[DataT, Any], Decision[DataT]]
AfterSignal = str | Callable[[DataT], Decision[DataT] | None]


def again(step: str) -> Callable[[Any], Decision[Any]]:
    """Return a function that decides to take the step again. Its service, or saga, ignores repetitions."""
    return lambda data: Go(step=step, data=with_changes(data, tries=data.tries + 1))


@dataclass(frozen=True, kw_only=True)
class Step(Generic[DataT]):
    """A row of the table.

    - ``asks`` is the class of the command that is sent. Its fields have the values of the fields of the same
      names in the saga's data. ``starts`` starts another saga that does the step instead. A step without
      either waits for a signal, or ``ends`` the saga; ``why`` tells staff why it is parked there.
    - ``on`` has the next step for each answer, ``hears`` for each signal; other signals are ignored.
    - ``unknown`` is used if no answer comes within the time ``within``, if the reply is an error, or if the
      answer is not in ``on``. If ``failed`` is given, it is used instead for the error and the other answer.
      A parked saga that staff resume uses ``unknown``.
    - ``repeated`` says after which replies the question is asked again before that.
    - ``undo`` is the step that undoes this one.
    - If ``is_owed`` is true, the step is never given up, and is reported as overdue after a few tries.
    """

    name: str
    asks: type[Command[Any]] | None = None
    starts: Callable[[DataT], Start] | None = None
    ends: End | None = None
    why: str = ""
    within: Callable[[], timedelta] | None = None
    repeated: Repeated = Repeated.NEVER
    on: Mapping[StrEnum, AfterAnswer[DataT]] = field(default_factory=dict)
    failed: Callable[[DataT, Reply], Decision[DataT]] | None = None
    unknown: AfterSignal[DataT] | None = None
    hears: Mapping[Heard, AfterSignal[DataT]] = field(default_factory=dict)
    undo: str = ""
    is_owed: bool = False

    def command(self, data: DataT) -> Command[Any] | None:
        """Return the command, with its fields from the saga's data."""
        if self.asks is None:
            return None
        return self.asks(**{name: getattr(data, name) for name in self.asks.__struct_fields__})

    def taken(self, go: Go[DataT]) -> Decision[DataT]:
        """Return the decision to take this step, with its command or child saga, its time-out, or its end."""
        command = self.command(go.data)
        return replace(
            go,
            ask=Ask(command=command, delay_seconds=go.delay_seconds) if command else None,
            child=self.starts(go.data) if self.starts else None,
            timeout=self.within() if self.within else None,
            end=go.end or self.ends,
            why=go.why or self.why,
            is_overdue=self.is_owed and getattr(go.data, "tries", 0) >= OVERDUE,
        )

    def is_repeated_after(self, reply: Reply) -> bool:
        """Return True if the question may be asked again after this reply."""
        return self.repeated is Repeated.ALWAYS or (
            self.repeated is Repeated.IF_NOT_DONE and not reply.tells_nothing
        )


class TableSaga(ABC, Generic[DataT]):
    """A saga definition made from a table, which is checked when the saga is made."""

    kind: str
    data_type: type[DataT]

    def __init__(self) -> None:
        for row in self.rows.values():
            self._check(row)

    @cached_property
    def rows(self) -> Mapping[str, Step[DataT]]:
        """The steps by their names."""
        return {row.name: row for row in self.table()}

    @abstractmethod
    def table(self) -> Sequence[Step[DataT]]:
        """The steps."""

    @abstractmethod
    def begin(self, data: DataT) -> Decision[DataT]:
        """Return the first decision."""

    @abstractmethod
    def afresh(self, data: DataT) -> DataT:
        """Return the data with its counters at zero, for a step that staff have carried out again."""

    @property
    def steps(self) -> frozenset[str]:
        """The names of the steps that the saga may stand at."""
        return frozenset(str(name) for name in self.rows)

    @property
    def questions(self) -> Mapping[str, type[Command[Any]]]:
        """The class of the command of each step that sends one."""
        return {name: row.asks for name, row in self.rows.items() if row.asks is not None}

    def start(self, data: DataT) -> Decision[DataT]:
        """Take the first step."""
        return self._complete(self.begin(data))

    def on_reply(self, step: str, data: DataT, reply: Reply) -> Decision[DataT]:
        """Decide by the row's entry for the answer. Before that, a question may be repeated a few times."""
        row = self.rows[step]
        if row.is_repeated_after(reply):
            repetition = asked_again(lambda known: row.taken(Go(step=step, data=known)), data, reply)
            if repetition is not None:
                return repetition
        if reply.ok and row.asks is not None:
            answer = row.asks.read_answer(reply.result)
            if (follows := row.on.get(answer.says)) is not None:
                return self._after_answer(row, data, follows, answer)
        if row.failed is not None:
            return self._complete(row.failed(data, reply))
        return self.on_deadline(step, data)

    def on_signal(self, step: str, data: DataT, signal: Heard) -> Decision[DataT] | None:
        """Decide by the row's entry for the signal, or ignore the signal."""
        follows = self.rows[step].hears.get(signal)
        return None if follows is None else self._after_signal(data, follows)

    def on_deadline(self, step: str, data: DataT) -> Decision[DataT]:
        """Decide by the row's entry for an unknown outcome."""
        decision = self._after_signal(data, self.rows[step].unknown or again(step))
        if decision is None:
            raise ValueError(f"Nothing follows at {step} of a {self.kind}.")
        return decision

    def on_resume(self, step: str, data: DataT) -> Decision[DataT]:
        """Carry the step out again, with all its retries."""
        return self.on_deadline(step, self.afresh(data))

    def _after_answer(
        self, row: Step[DataT], data: DataT, follows: AfterAnswer[DataT], answer: Answer
    ) -> Decision[DataT]:
        if isinstance(follows, End):
            return Decision(step=row.name, data=data, end=follows)
        if isinstance(follows, str):
            return self._complete(_next(follows, data))
        return self._complete(follows(data, answer))

    def _after_signal(self, data: DataT, follows: AfterSignal[DataT]) -> Decision[DataT] | None:
        decision = _next(follows, data) if isinstance(follows, str) else follows(data)
        return None if decision is None else self._complete(decision)

    def _complete(self, decision: Decision[DataT]) -> Decision[DataT]:
        return self.rows[decision.step].taken(decision) if isinstance(decision, Go) else decision

    def _check(self, row: Step[DataT]) -> None:
        """Raise TypeError if a row names a step that does not exist, or does not fit its command."""
        named = {row.undo, row.unknown, *row.on.values(), *row.hears.values()}
        strangers = {each for each in named if isinstance(each, str) and not isinstance(each, End)}
        if unknown := strangers - self.rows.keys() - {""}:
            raise TypeError(f"{self.kind} has no step {unknown}")
        if row.asks is None:
            return
        words = row.asks.answer.vocabulary() if row.asks.answer else ()
        if not all(isinstance(word, words) for word in row.on):
            raise TypeError(f"{row.name} expects answers that {row.asks.__name__} does not have")
        lacking = {*row.asks.__struct_fields__} - {*self.data_type.__struct_fields__}
        if lacking:
            raise TypeError(f"{row.name} has no {lacking} for its {row.asks.__name__}")


def _next(step: str, data: Any) -> Go[Any]:
    """Return the decision to take a step whose count of tries starts at zero."""
    return Go(step=step, data=with_changes(data, tries=0))
