"""Commands that are carried out in place: in the transaction of the message that causes them.

The handler in the other service is called with the same typed command, without broker, inbox and outbox. So
that service must use the database of the cause, and its handlers must check before they write: when a handler
rejects a command, its writes are not undone.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from messaging.compiled_queries import write_collected
from messaging.envelope import Envelope, Reply
from messaging.worker.message import Message
from messaging.worker.service import CommandRejected, Service


class CommandInPlace(Message):
    """The message for the handler of a command in place. Its messages leave with those of the cause."""

    def __init__(self, type: str, cause: Message) -> None:
        about = Envelope(
            type=type, body=b"", message_id=cause.envelope.message_id, headers=cause.envelope.headers
        )
        super().__init__(
            about,
            consumer=cause._consumer,
            topology=cause.topology,
            inbox_model=cause._inbox_model,
            outbox_model=cause._outbox_model,
            database=cause._database,
        )
        self._cause = cause
        self._hints, self._planned_pushes = cause._hints, cause._planned_pushes
        self.answer: Any = None

    @contextmanager
    def once(self) -> Iterator[None]:
        """Write the collected rows at the end of the block, so that an error is raised inside the handler."""
        yield
        write_collected(self._database)

    def refuse_repetition(self) -> None:
        """Do nothing: a repetition is refused where its cause is handled."""

    def reply(self, result: Any) -> None:
        """Keep the answer for the caller."""
        self.answer = result

    def _plan(self, *args: Any, **options: Any) -> None:
        # The cause decides which participant gets the secret.
        self._cause._plan(*args, **{**options, "may_carry_sealed": False})


def carry_out(service: Service, type: str, command: Any, cause: Message) -> Reply:
    """Have a service carry out a command now, in the transaction of ``cause``, and return its reply."""
    message = CommandInPlace(type, cause)
    try:
        answer = service.commands[type].function(command, message)
    except CommandRejected as rejection:
        return Reply.failure(rejection.code, rejection.text, rejection.retryable)
    return Reply.success(message.answer if answer is None else answer)
