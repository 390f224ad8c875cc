"""The declaration of a service: its handlers by command type. ``worker.py`` runs the service."""

from collections.abc import Callable
from dataclasses import dataclass, field
from inspect import iscoroutinefunction
from typing import Any, TypeVar, get_type_hints

import msgspec

from messaging.access.proofs import is_proven
from messaging.envelope import REPLY, Reply
from messaging.errors import MalformedMessage
from messaging.libraries import typed
from messaging.outbox.models import AlreadyHandled
from messaging.topology import Queue, Topology
from messaging.worker.message import Message

__all__ = [
    "AlreadyHandled",
    "CommandRejected",
    "Message",
    "NotEntitled",
    "Obsolete",
    "Reply",
    "Service",
    "require_proof",
]

Admit = Callable[[Any, Message], None]
CommandHandler = TypeVar("CommandHandler", bound=Callable[[Any, Message], Any])
ReplyHandler = TypeVar("ReplyHandler", bound=Callable[[Reply, Message], Any])
EventHandler = TypeVar("EventHandler", bound=Callable[[Any, Message], Any])


class CommandRejected(Exception):
    """The command cannot be carried out. Its writes are undone, and its sender gets an error reply.

    If the sender waits for no reply, the command becomes a dead letter; if the error is ``retryable``, it is
    delivered again a few times before that.
    """

    def __init__(self, code: str, text: str, retryable: bool = False) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.retryable = retryable


class NotEntitled(Exception):
    """The sender has no right to send the message, which becomes a dead letter and is not handled."""


class Obsolete(Exception):
    """The command is no longer wanted. It is acknowledged, and nothing is done."""


def require_proof(command: Any, message: Message) -> None:
    """Admit a command only if a program with the secret key has written it. Raises NotEntitled.

    This is for the ``admit`` of a service whose database does not show who asked for a command. The service
    must expect that an old command comes again after its row in the inbox was deleted.
    """
    if not is_proven(message.envelope):
        raise NotEntitled(f"this {message.envelope.type} has no proof of its writer")


@dataclass(frozen=True, slots=True)
class Handler:
    """A handler's function, the decoder of its body, and whether it runs inside one transaction.

    ``admit`` is called before the function, or by the function itself if it ``admits_itself``; see Service.
    """

    function: Callable[[Any, Message], Any]
    decode: Callable[[bytes], Any]
    transactional: bool
    admit: Admit | None = None
    admits_itself: bool = False


@dataclass
class Service:
    """A participant with its own command queue and, with ``replies``, a durable queue for replies to it.

    ``events`` lists patterns of types such as ``order.#``; with it the service has a durable queue for these
    events as well. A service that only listens has no handler of commands, and no queue for them. If the
    events are ``hints_only``, the service finds those that it has missed, and its full queue drops the
    oldest. It also believes nothing that such an event says, so the worker does not look for the event in the
    outbox.

    A handler takes the decoded body and the Message. It runs in a thread, so it may use the database. By
    default it runs in the transaction that records the message as handled. With ``transactional=False``, it
    may first make calls to other programs, and then opens that transaction itself with ``message.once()``. If
    it returns a result, the reply is sent in a transaction of its own. ``admit`` is called before every
    command except those declared ``free``, which every entitled sender may send at any time; it raises
    NotEntitled or Obsolete. A handler that ``admits_itself`` calls it with ``message.admit()``, in a
    transaction of its own, before all else.

    A service ``records_last`` if its handlers may run twice for one message: because they only change the
    database, so that one run is undone, or because they check themselves before they do anything else. Then
    the row of the handled message is written with everything else at the end of the transaction, which saves
    a round trip.
    """

    name: str
    replies: str = ""
    admit: Admit | None = None
    events: tuple[str, ...] = ()
    hints_only: bool = False
    records_last: bool = False
    commands: dict[str, Handler] = field(default_factory=dict)
    reply_handler: Handler | None = None
    event_handler: Handler | None = None

    def command(
        self, type: str, *, transactional: bool = True, free: bool = False, admits_itself: bool = False
    ) -> Callable[[CommandHandler], CommandHandler]:
        """Register the handler of one command type. Its return value, if any, is the result in the reply."""

        def register(function: CommandHandler) -> CommandHandler:
            if type in self.commands:
                raise ValueError(f"{self.name} already handles {type}")
            _require_synchronous(function)
            admit = None if free else self.admit
            self.commands[type] = Handler(function, _decoder(function), transactional, admit, admits_itself)
            return function

        return register

    def on_reply(self, function: ReplyHandler) -> ReplyHandler:
        """Register the handler of replies. The service must have ``replies``."""
        if not self.replies:
            raise ValueError(f"{self.name} has no queue for replies")
        _require_synchronous(function)
        self.reply_handler = Handler(function, Reply.decode, transactional=True)
        return function

    def on_event(self, *, transactional: bool = True) -> Callable[[EventHandler], EventHandler]:
        """Register the handler of all events, whose type is ``message.envelope.type``.

        Events have no answer. Their bodies may have fields that the handler's class does not know, because
        senders add fields for other listeners. The service must have ``events``.
        """
        if not self.events:
            raise ValueError(f"{self.name} has no queue for events")

        def register(function: EventHandler) -> EventHandler:
            _require_synchronous(function)
            self.event_handler = Handler(function, _decoder(function, is_strict=False), transactional)
            return function

        return register

    def queues(self, topology: Topology) -> list[Queue]:
        """Return the queues that a worker of this service declares and reads."""
        queues = [] if self.events and not self.commands else [topology.service_queue(self.name)]
        if self.replies:
            queues.append(topology.reply_queue(self.replies))
        if self.events:
            queues.append(topology.event_queue(self.name, self.events, hints_only=self.hints_only))
        return queues

    def handler_for(self, queue: str, type: str, topology: Topology) -> Handler:
        """Return the handler of a message from ``queue``. Raises MalformedMessage if there is none."""
        if self.replies and queue == topology.reply_queue_name(self.replies):
            if type == REPLY and self.reply_handler is not None:
                return self.reply_handler
        elif self.event_handler is not None and queue == topology.event_queue_name(self.name):
            return self.event_handler
        elif type in self.commands:
            return self.commands[type]
        raise MalformedMessage(f"{self.name} does not handle {type}")


def _require_synchronous(function: Callable[..., Any]) -> None:
    """Raise TypeError for a coroutine function, because nobody would await it."""
    if iscoroutinefunction(function):
        raise TypeError(
            f"{function.__qualname__} runs in a thread, as each handler: write def, not async def"
        )


def _decoder(function: Callable[..., Any], *, is_strict: bool = True) -> Callable[[bytes], Any]:
    first_parameter = next(iter(function.__annotations__))
    body_type = get_type_hints(function)[first_parameter]
    config = getattr(body_type, "__struct_config__", None)
    # Unknown fields are ignored only if the class says so, and not because it forgot to forbid them.
    is_careless = config is None or config.forbid_unknown_fields == getattr(body_type, "is_open", False)
    if config is None or (is_strict and is_careless):
        raise TypeError(f"{body_type} must be a msgspec.Struct with forbid_unknown_fields, or is_open")
    decoder = typed.decoder(body_type)

    def decode(body: bytes) -> Any:
        try:
            return decoder.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise MalformedMessage(str(error)) from error

    return decode
