"""The tree of errors: each class says whose fault it is and what to do next.

The broker's side has a tree of its own, ``messaging.errors``.

CheckoutError
├── OperationRejected          the caller can fix it
│   ├── PaymentNotFound        no such payment for this caller
│   ├── ProviderAccountNotFound no such address for notifications
│   ├── RequestInvalid         a field of it is missing or wrong; it says which
│   ├── IllegalTransition      not possible in the payment's present state
│   ├── AmountNotAvailable     more than is left to capture or refund
│   ├── DuplicateRequest       the same key was used for something else
│   ├── TooManyAttempts        no further card may be tried, or not yet
│   ├── CaptchaRequired        a CAPTCHA is to be solved first
│   ├── PatienceRequired       the shopper has to wait for a turn first
│   └── TokenRejected          wrong, used up or expired token
├── ProviderError              the provider's side
│   ├── ProviderUnavailable    certainly not sent: may be tried again
│   ├── OutcomeUnknown         may have happened: inquire, never repeat blindly
│   ├── ProviderReplyInvalid   could not be understood: treated like unknown, tell a developer
│   ├── ProviderMisconfigured  credentials or merchant set-up: tell an operator
│   └── NotificationRejected   not authentic or not readable
│       ├── SenderNotAllowed   not from an address that this account's provider sends from
│       ├── NotificationNotAuthentic    credentials that are not the account's
│       └── NotificationFormatNotSupported  of a product of the provider that we do not speak
├── CardKeysMisconfigured      an operator must set them; the process does not start
├── CardSealRefused            nothing was sent: the shopper may enter the card again
│   ├── CardNotSealed          without a second seal: of an earlier release, or not from web
│   ├── CardKeyUnknown         sealed with a key that was dropped
│   ├── CardSealBroken         for another attempt, or changed on the way
│   └── CardSealExpired        it came too late
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


class RequestInvalid(OperationRejected):
    """A field of the request is missing or wrong. ``field`` names it, as ``lines[0].sku``."""

    code = "request_invalid"

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field


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
    """An idempotency key came back with a different request; ``field`` differs, where that is known."""

    code = "duplicate_request"

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class TooManyAttempts(OperationRejected):
    """Too many cards were tried. ``retry_after_seconds`` is None where coming back later does not help."""

    code = "too_many_attempts"

    def __init__(self, message: str, *, retry_after_seconds: int | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class CaptchaRequired(OperationRejected):
    """A CAPTCHA has to be solved before a card is tried."""

    code = "captcha_required"


class PatienceRequired(OperationRejected):
    """The shopper's address is new here and has to wait for its turn before a card is tried."""

    code = "patience_required"


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


class NotificationNotAuthentic(NotificationRejected):
    """A notification came with credentials that are not those of its account."""

    code = "notification_not_authentic"


class NotificationFormatNotSupported(NotificationRejected):
    """A notification is in the format of another product; the account is to be set up for this one."""

    code = "notification_format_not_supported"


class CardKeysMisconfigured(CheckoutError):
    """The keys of the card's second seal are missing or malformed; an operator must set them."""

    code = "card_keys_misconfigured"


class CardSealRefused(CheckoutError):
    """A card that must not be used as it came; nothing was sent to the provider."""

    code = "card_seal_refused"


class CardNotSealed(CardSealRefused):
    """The card came without a second seal: from an earlier release, or not from web at all."""

    code = "card_not_sealed"


class CardKeyUnknown(CardSealRefused):
    """The card was sealed with a key that is not listed, perhaps not any more."""

    code = "card_key_unknown"


class CardSealBroken(CardSealRefused):
    """The seal is for another attempt, or was changed on the way."""

    code = "card_seal_broken"


class CardSealExpired(CardSealRefused):
    """The card came after its seal had expired."""

    code = "card_seal_expired"


class SagaError(CheckoutError):
    """A saga cannot decide what to do next; it is parked until a human looks."""

    code = "saga_error"
