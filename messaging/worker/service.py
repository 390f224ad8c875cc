"""The declaration of a service: its handlers by command type. ``worker.py`` runs it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar, get_type_hints

import msgspec

from messaging.envelope import Reply
from messaging.errors import MalformedMessage
from messaging.outbox.models import AlreadyHandled
from messaging.topology import Queue, Topology
from messaging.worker.message import Message

__all__ = ["AlreadyHandled", "CommandRejected", "Message", "NotEntitled", "Obsolete", "Reply", "Service"]

Admit = Callable[[Any, Message], None]
CommandHandler = TypeVar("CommandHandler", bound=Callable[[Any, Message], Any])
ReplyHandler = TypeVar("ReplyHandler", bound=Callable[[Reply, Message], Any])


class CommandRejected(Exception):
    """The command cannot be carried out: the handler's writes are undone, the sender gets an error reply."""

    def __init__(self, code: str, text: str, retryable: bool = False) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.retryable = retryable


class NotEntitled(Exception):
    """The message is not its sender's to send. It becomes a dead letter, and is never handled."""


class Obsolete(Exception):
    """The command is no longer wanted: it is acknowledged, and nothing is done."""


@dataclass(frozen=True, slots=True)
class Handler:
    """A function with what it needs: its body's decoder, and whether it runs inside one transaction.

    ``admit`` is called before, see Service.
    """

    function: Callable[[Any, Message], Any]
    decode: Callable[[bytes], Any]
    transactional: bool
    admit: Admit | None = None


@dataclass
class Service:
    """A participant with its own command queue; with ``replies``, also a durable queue for replies to it.

    A handler takes the decoded body and the Message. It runs in a thread, so it may use the database, and
    within one transaction with the record that the message was handled, unless it is declared with
    ``transactional=False``: then it uses ``message.once()`` around the transaction that concludes it, and may
    call out in between. ``admit`` is asked before every command but those that are ``free`` for all entitled
    senders; it raises NotEntitled or Obsolete.
    """

    name: str
    replies: str = ""
    admit: Admit | None = None
    commands: dict[str, Handler] = field(default_factory=dict)
    reply_handler: Handler | None = None

    def command(
        self, type: str, *, transactional: bool = True, free: bool = False
    ) -> Callable[[CommandHandler], CommandHandler]:
        """Register the handler of one command type. What it returns, if anything, is the reply's result."""

        def register(function: CommandHandler) -> CommandHandler:
            if type in self.commands:
                raise ValueError(f"{self.name} already handles {type}")
            admit = None if free else self.admit
            self.commands[type] = Handler(function, _decoder(function), transactional, admit)
            return function

        return register

    def on_reply(self, function: ReplyHandler) -> ReplyHandler:
        """Register the handler of replies; needs ``replies``."""
        if not self.replies:
            raise ValueError(f"{self.name} has no queue for replies")
        self.reply_handler = Handler(function, Reply.decode, transactional=True)
        return function

    def queues(self, topology: Topology) -> list[Queue]:
        """The queues that a worker of this service declares and reads."""
        queues = [topology.service_queue(self.name)]
        if self.replies:
            queues.append(topology.reply_queue(self.replies))
        return queues

    def handler_for(self, queue: str, type: str, topology: Topology) -> Handler:
        """The handler of what came from ``queue``. Raises MalformedMessage when there is none."""
        if self.replies and queue == topology.reply_queue(self.replies).name:
            if type == "reply" and self.reply_handler is not None:
                return self.reply_handler
        elif type in self.commands:
            return self.commands[type]
        raise MalformedMessage(f"{self.name} does not handle {type}")


def _decoder(function: Callable[..., Any]) -> Callable[[bytes], Any]:
    first_parameter = next(iter(function.__annotations__))
    body_type = get_type_hints(function)[first_parameter]
    config = getattr(body_type, "__struct_config__", None)
    if config is None or not config.forbid_unknown_fields:
        raise TypeError(f"{body_type} must be a msgspec.Struct with forbid_unknown_fields")
    decoder = msgspec.json.Decoder(body_type)

    def decode(body: bytes) -> Any:
        try:
            return decoder.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise MalformedMessage(str(error)) from error

    return decode
