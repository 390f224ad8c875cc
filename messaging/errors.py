"""The errors of messaging. The class tells a caller what became of the message, and so what to do next.

MessagingError                 the broker's side
├── BrokerUnavailable          not published
├── PublishRefused             not published: the queue is full
│   └── NotSendable            not published: AMQP cannot carry the message
├── PublishUncertain           perhaps published: the connection was lost before the confirm
│   └── PublishRejected        the same: the broker rejects this message, or one that was under way beside it
├── Undeliverable              published, no queue took it
├── ReplyTimeout               no reply in time; the work may still be going on
│   └── ReplyLost              the same, known early: the connection for the reply was lost
├── TooManyWaiters             this process waits for as many replies as it may
├── MalformedMessage           the message becomes a dead letter
├── NotMended                  a repair has left what is different; the text is the reason
└── RemoteError                the service answered with an error
"""


class MessagingError(Exception):
    """Something went wrong between us and the message broker."""

    code = "messaging_error"


class BrokerUnavailable(MessagingError):
    """There is no connection to the broker. The message was not published."""

    code = "broker_unavailable"


class PublishRefused(MessagingError):
    """The broker answered with a nack, because a queue is full. The message was not published."""

    code = "publish_refused"


class NotSendable(PublishRefused):
    """AMQP cannot carry the message, for example because its headers are too large. It was not published."""

    code = "not_sendable"


class PublishUncertain(MessagingError):
    """The connection ended, or time ran out, before the broker's confirm. It may have been published."""

    code = "publish_uncertain"


class PublishRejected(PublishUncertain):
    """The broker closed the channel because it rejects a message: this one, or another one in flight.

    The user may not publish that message, or the message has a property that the broker does not allow. The
    broker does not say which message it was. The others in flight may have been published.
    """

    code = "publish_rejected"


class Undeliverable(MessagingError):
    """The broker returned the message: no queue is bound for it."""

    code = "undeliverable"


class ReplyTimeout(MessagingError):
    """No reply arrived within the time allowed. The work may still be going on."""

    code = "reply_timeout"


class ReplyLost(ReplyTimeout):
    """The connection on which the reply would have arrived was lost. The work may still be going on."""

    code = "reply_lost"


class TooManyWaiters(MessagingError):
    """This process already waits for the maximum number of replies."""

    code = "too_many_waiters"


class MalformedMessage(MessagingError):
    """A message breaks its contract; it becomes a dead letter."""

    code = "malformed_message"


class RemoteError(MessagingError):
    """A service answered a command with an error.

    ``code`` is the service's own code, ``retryable`` says whether the same command may succeed later.
    """

    def __init__(self, code: str, message: str, retryable: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retryable = retryable


class NotMended(MessagingError):
    """A repair has left a difference on the broker as it is. The text is the reason."""

    code = "not_mended"
