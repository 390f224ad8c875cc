"""The errors of messaging: each class says what became of the message, and so what to do next.

MessagingError                 the broker's side
├── BrokerUnavailable          not published
├── PublishRefused             not published: the queue is full
├── PublishUncertain           perhaps published: the connection was lost before the confirm
├── Undeliverable              published, no queue took it
├── ReplyTimeout               the work may still be going on
│   └── ReplyLost              the same, known before time is up: the connection was lost
├── TooManyWaiters             this process waits for as many replies as it may
├── MalformedMessage           straight to the dead letters
└── RemoteError                the service answered with an error
"""


class MessagingError(Exception):
    """Something went wrong between us and the message broker."""

    code = "messaging_error"


class BrokerUnavailable(MessagingError):
    """There is no connection to the broker; the message was not published."""

    code = "broker_unavailable"


class PublishRefused(MessagingError):
    """The broker answered with a nack (a full queue); the message was not taken."""

    code = "publish_refused"


class PublishUncertain(MessagingError):
    """The connection ended, or time ran out, before the broker's confirm: perhaps published."""

    code = "publish_uncertain"


class Undeliverable(MessagingError):
    """The broker returned the message: no queue is bound for it."""

    code = "undeliverable"


class ReplyTimeout(MessagingError):
    """No reply within the budget; the work may still be going on."""

    code = "reply_timeout"


class ReplyLost(ReplyTimeout):
    """The connection on which the reply would have come was lost; the work may still be going on."""

    code = "reply_lost"


class TooManyWaiters(MessagingError):
    """This process already waits for as many replies as it may."""

    code = "too_many_waiters"


class MalformedMessage(MessagingError):
    """A message does not keep its contract; it goes to the dead letters."""

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
