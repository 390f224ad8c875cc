"""Tests of a saga definition as a conversation: it sends a command, a service answers, and so on."""

from typing import Any, Self

from checkout.ledger.messages import PostEntries
from checkout.messages import Body, Command
from checkout.payments.sagas.definition import Decision, SagaDefinition
from checkout.payments.sagas.signals import ChildResult, Heard, News, Signal
from messaging.envelope import Reply


def heard(name: str) -> Heard:
    """Return the signal of this name, or the result of a saga that was started, such as capture_done."""
    kind, _, news = name.rpartition("_")
    return ChildResult(kind, News(news)) if kind in ("capture", "void", "refund") else Signal(name)


class Conversation:
    """A driver that answers a definition and checks its decisions, without broker or database."""

    def __init__(self, definition: SagaDefinition[Any], data: Body) -> None:
        self.definition = definition
        self.events: list[str] = []
        self.owed: list[Command[Any]] = []
        self._hear(definition.start(data))

    def _hear(self, decision: Decision[Any]) -> Self:
        assert decision.step in self.definition.steps
        self.decision = decision
        self.events.extend(decision.transitions)
        self.owed.extend(decision.side_commands)
        return self

    @property
    def postings(self) -> list[str]:
        """The names of all postings for which the saga sent a command to the ledger."""
        return [command.name for command in self.owed if isinstance(command, PostEntries)]

    def asks(self, type: str, **fields: Any) -> Self:
        assert self.decision.ask is not None, f"asks nothing at {self.decision.step}"
        assert self.decision.ask.command.to == type
        for name, value in fields.items():
            assert getattr(self.decision.ask.command, name) == value
        return self

    def tells(self, type: str, **fields: Any) -> Self:
        """Check that the last decision also sends this command, for which it expects no reply."""
        told = [command for command in self.decision.side_commands if command.to == type]
        assert any(all(getattr(each, name) == fields[name] for name in fields) for each in told), told
        return self

    def tells_nothing(self) -> Self:
        assert self.decision.side_commands == ()
        return self

    def answered(self, **result: Any) -> Self:
        self.definition.questions[self.decision.step].read_answer(result)
        return self._replied(Reply.success(result))

    def answered_with_an_error(self, code: str = "broken", *, retryable: bool = False) -> Self:
        return self._replied(Reply.failure(code, "It did not work.", retryable))

    def answered_malformed(self) -> Self:
        """Answer with a malformed reply."""
        return self._replied(Reply.malformed("It is no answer."))

    def _replied(self, reply: Reply) -> Self:
        return self._hear(self.definition.on_reply(self.decision.step, self.decision.data, reply))

    def told(self, signal: str) -> Self:
        decision = self.definition.on_signal(self.decision.step, self.decision.data, heard(signal))
        assert decision is not None, f"{signal} means nothing at {self.decision.step}"
        return self._hear(decision)

    def starts(self, kind: str, **fields: Any) -> Self:
        """Check that the saga starts another saga and waits for its signals."""
        started = self.decision.child
        assert started is not None, f"starts nothing at {self.decision.step}"
        assert started.kind == kind
        for name, value in fields.items():
            assert getattr(started.data, name) == value
        return self.waits_for_a_signal()

    def signals(self, name: str) -> Self:
        assert self.decision.notify_parent == (heard(name) if name else None)
        return self

    def resumed(self) -> Self:
        return self._hear(self.definition.on_resume(self.decision.step, self.decision.data))

    def after(self, delay_seconds: float) -> Self:
        """Check that the command is sent after so many seconds."""
        assert self.decision.ask is not None
        assert self.decision.ask.delay_seconds == delay_seconds
        return self

    def ignores(self, signal: str) -> Self:
        assert self.definition.on_signal(self.decision.step, self.decision.data, heard(signal)) is None
        return self

    def waited_too_long(self) -> Self:
        return self._hear(self.definition.on_deadline(self.decision.step, self.decision.data))

    def answers_the_shopper(self) -> Self:
        assert self.decision.reply_to_waiters
        return self

    def waits_for_a_signal(self) -> Self:
        assert self.decision.ask is None
        assert self.decision.end is None
        return self

    def ended(self, end: str) -> Self:
        assert self.decision.end == end
        assert self.decision.ask is None
        assert bool(self.decision.why) == (end == "parked")
        return self
