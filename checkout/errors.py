"""The one tree of errors: each class says whose fault it is and what to do next.

CheckoutError
├── OperationRejected          the caller can fix it
│   ├── PaymentNotFound        no such payment for this caller
│   ├── ProviderAccountNotFound no such address for notifications
│   ├── IllegalTransition      not possible in the payment's present state
│   ├── AmountNotAvailable     more than is left to capture or refund
│   ├── DuplicateRequest       the same key was used for something else
│   └── TokenRejected          wrong, used up or expired token
├── ProviderError              the provider's side
│   ├── ProviderUnavailable    certainly not sent: may be tried again
│   ├── OutcomeUnknown         may have happened: inquire, never repeat blindly
│   ├── ProviderReplyInvalid   could not be understood: treated like unknown, tell a developer
│   ├── ProviderMisconfigured  credentials or merchant set-up: tell an operator
│   └── NotificationRejected   not authentic or not readable
│       └── SenderNotAllowed   not from an address that this account's provider sends from
├── MessagingError             the broker's side
│   ├── BrokerUnavailable      not published
│   ├── PublishRefused         not published: the queue is full
│   ├── PublishUncertain       perhaps published: the connection was lost before the confirm
│   ├── Undeliverable          published, no queue took it
│   ├── ReplyTimeout           work may still be going on: show the status page
│   │   └── ReplyLost          the same, known before time is up: the connection was lost
│   ├── TooManyWaiters         this process waits for as many replies as it may
│   ├── MalformedMessage       straight to the dead letters
│   └── RemoteError            the service answered with an error
└── SagaError                  a saga cannot go on by itself and is parked
"""

from checkout.money import Money


class CheckoutError(Exception):
    """Root of everything that this project raises on purpose."""

    code = "checkout_error"


class OperationRejected(CheckoutError):
    """The caller asked for something that cannot be done; nothing changed."""

    code = "operation_rejected"


class PaymentNotFound(OperationRejected):
    """There is no such payment, or it belongs to somebody else."""

    code = "payment_not_found"


class ProviderAccountNotFound(OperationRejected):
    """There is no provider account of this name."""

    code = "provider_account_not_found"


class IllegalTransition(OperationRejected):
    """The payment's present state does not allow this."""

    code = "illegal_transition"


class AmountNotAvailable(OperationRejected):
    """More was asked for than is left to capture or refund."""

    code = "amount_not_available"

    def __init__(self, message: str, *, requested: Money, available: Money) -> None:
        super().__init__(message)
        self.requested = requested
        self.available = available


class DuplicateRequest(OperationRejected):
    """An idempotency key came back with a different request."""

    code = "duplicate_request"


class TokenRejected(OperationRejected):
    """A token is unknown, was made for something else, or has expired."""

    code = "token_rejected"

    def __init__(self, message: str, *, is_expired: bool = False) -> None:
        super().__init__(message)
        self.is_expired = is_expired


class ProviderError(CheckoutError):
    """Something went wrong between us and the payment provider."""

    code = "provider_error"


class ProviderUnavailable(ProviderError):
    """The request certainly did not reach the provider; it may be sent again."""

    code = "provider_unavailable"


class OutcomeUnknown(ProviderError):
    """The request may have been carried out; ask the provider, never repeat it blindly."""

    code = "outcome_unknown"


class ProviderReplyInvalid(ProviderError):
    """The provider's answer could not be understood; the outcome is unknown and a developer must look."""

    code = "provider_reply_invalid"


class ProviderMisconfigured(ProviderError):
    """The provider refused our credentials or set-up; an operator must look. Nothing was carried out."""

    code = "provider_misconfigured"


class NotificationRejected(ProviderError):
    """A notification is not authentic or cannot be read; its sender must correct it."""

    code = "notification_rejected"


class SenderNotAllowed(NotificationRejected):
    """A notification did not come from one of its account's networks."""

    code = "sender_not_allowed"


class MessagingError(CheckoutError):
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


class SagaError(CheckoutError):
    """A saga cannot decide what to do next; it is parked until a human looks."""

    code = "saga_error"
