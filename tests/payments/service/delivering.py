"""Deliver a command to a service as its worker does, in this thread, and collect the messages to publish."""

from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from checkout.messages import Command
from checkout.payments.actions import record_notification
from checkout.payments.models import InboxMessage, OutboxMessage, ProviderAccount, ProviderNotification
from messaging.envelope import Envelope, Reply, encode_body, new_message_id
from messaging.topology import Topology
from messaging.worker.handling import handle
from messaging.worker.message import Message, Outgoing, Push
from messaging.worker.service import Service

TOPOLOGY = Topology("test")


@dataclass
class Delivered:
    """The messages that a handler sent, and its pushes to open pages."""

    outgoing: list[Outgoing]
    pushes: list[Push] = field(default_factory=list)

    @property
    def reply(self) -> Reply:
        replies = [
            Reply.decode(sent.envelope.body) for sent in self.outgoing if sent.envelope.type == "reply"
        ]
        assert len(replies) == 1
        return replies[0]

    @property
    def result(self) -> dict[str, Any]:
        return self.reply.unwrap()

    @property
    def commands(self) -> list[Envelope]:
        return [sent.envelope for sent in self.outgoing if sent.envelope.type != "reply"]


def command(body: Command[Any], *, sealed: str = "", message_id: str = "") -> Envelope:
    """Return a command whose sender waits for the reply."""
    return Envelope(
        type=body.to,
        body=encode_body(body),
        message_id=message_id or new_message_id(),
        correlation_id="17",
        reply_to="test.replies.saga",
        headers={"subject": getattr(body, "payment", "")},
    ).with_sealed(sealed)


def deliver(service: Service, envelope: Envelope) -> Delivered:
    """Deliver ``envelope``. A second call with the same envelope is a redelivery."""
    handler = service.commands[envelope.type]
    message = Message(
        envelope,
        consumer=service.name,
        topology=TOPOLOGY,
        inbox_model=InboxMessage,
        outbox_model=OutboxMessage,
    )
    return Delivered(handle(handler, handler.decode(envelope.body), message), message.pushes)


def admit(service: Service, envelope: Envelope) -> None:
    """Run the service's check that an entitled participant sent this command. Raises NotEntitled."""
    handler = service.commands[envelope.type]
    message = Message(
        envelope,
        consumer=service.name,
        topology=TOPOLOGY,
        inbox_model=InboxMessage,
        outbox_model=OutboxMessage,
    )
    assert handler.admit is not None
    handler.admit(handler.decode(envelope.body), message)


def stored(account: ProviderAccount, text: str, *, is_proven: bool = True) -> ProviderNotification:
    """Store a notification as if it had just arrived, and return its row."""
    record_notification(account.code, text.encode(), is_proven=is_proven)
    return ProviderNotification.objects.get(account=account, digest=sha256(text.encode()).hexdigest())
