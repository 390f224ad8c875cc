"""Messages that are owed, and messages that were handled. The mechanism is in ``checkout/messaging/``."""

from checkout.messaging.outbox import AbstractInboxMessage, AbstractOutboxMessage


class OutboxMessage(AbstractOutboxMessage):
    """What this system has decided to send."""

    class Meta(AbstractOutboxMessage.Meta):
        verbose_name = "sent message"


class InboxMessage(AbstractInboxMessage):
    """What its services have handled."""

    class Meta(AbstractInboxMessage.Meta):
        verbose_name = "handled message"
