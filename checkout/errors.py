"""The tree of errors. The class tells who has to act, and how.

Messaging has a tree of its own, ``messaging.errors``.

CheckoutError
├── OperationRejected          the caller can fix it
│   ├── PaymentNotFound        no such payment for this caller
│   ├── OperationNotFound      no such capture, void or refund for this caller
│   ├── EventNotFound          no such event for this caller
│   ├── ProviderAccountNotFound no such address for notifications
│   ├── NoProviderAccount      the merchant has none, so that nobody could pay
│   ├── WebhookNotFound        no such webhook endpoint or delivery for this caller
│   ├── PaymentLinkNotFound    no such payment link for this caller
│   ├── PaymentLinkClosed      disabled, expired or used too often
│   ├── SavedCardNotFound      no such saved card for this caller
│   ├── SavedCardNotUsable     removed, expired, or of an account that cannot charge it
│   ├── RequestInvalid         a field is missing or wrong; the error names it
│   ├── IllegalTransition      not possible in the payment's present state
│   │   └── EndpointDisabled   nothing is sent to a webhook endpoint that is disabled
│   ├── AmountNotAvailable     more than is left to capture or refund
│   │   └── PaymentDisputed    a dispute claims money that would be left otherwise
│   ├── RefundableDiffers      another amount is left to refund than the caller believes
│   ├── DuplicateRequest       the same request was made before with other values
│   │   └── KeyReused          its idempotency key was used for another request
│   ├── TooManyAttempts        no further card may be tried, or not yet
│   ├── CaptchaRequired        a CAPTCHA must be solved first
│   ├── PatienceRequired       the shopper has to wait for a turn first
│   └── TokenRejected          wrong, used up or expired token
├── ProviderError              the provider's side
│   ├── ProviderUnavailable    certainly not sent: may be tried again
│   ├── OutcomeUnknown         may have happened: inquire, never repeat blindly
│   ├── ProviderReplyInvalid   not understood: treated like unknown, a developer must look
│   ├── ListIncomplete         the list of orders was cut: ask for a shorter period
│   ├── ProviderMisconfigured  credentials or merchant set-up: an operator must look
│   │   └── AmountNotSupported  the account cannot send this amount: another one must be asked for
│   └── NotificationRejected   not authentic or not readable
│       ├── SenderNotAllowed   not from an address of this account's provider
│       ├── NotificationNotAuthentic    not with the account's credentials
│       └── NotificationFormatNotSupported  in the format of another product of the provider
├── StoredSecretUnreadable     sealed under a secret key that was dropped: an operator must list it again
├── CardKeysMisconfigured      an operator must set them; the process does not start
└── CardSealRefused            nothing was sent: the shopper may enter the card again
    ├── CardNotSealed          without a second seal: not from web
    ├── CardKeyUnknown         sealed with a key that was dropped
    ├── CardSealBroken         for another attempt, or changed on the way
    └── CardSealExpired        it came too late
"""

from collections.abc import Sequence

from checkout.money import Money


class CheckoutError(Exception):
    """The base class of all errors that this project raises on purpose."""

    code = "checkout_error"


class OperationRejected(CheckoutError):
    """The caller requested an action that is not possible. Nothing was changed."""

    code = "operation_rejected"


class PaymentNotFound(OperationRejected):
    """There is no such payment, or it belongs to another caller."""

    code = "payment_not_found"


class WebhookNotFound(OperationRejected):
    """There is no such webhook endpoint or delivery, or it belongs to another merchant."""

    code = "webhook_not_found"


class PaymentLinkNotFound(OperationRejected):
    """There is no such payment link, or it belongs to another merchant."""

    code = "payment_link_not_found"


class PaymentLinkClosed(OperationRejected):
    """The payment link was disabled, has expired, or has made as many payments as it may."""

    code = "payment_link_closed"


class SavedCardNotFound(OperationRejected):
    """There is no such saved card, or it belongs to another merchant."""

    code = "saved_card_not_found"


class SavedCardNotUsable(OperationRejected):
    """The saved card cannot be charged: it was removed, has expired, or its account cannot charge it."""

    code = "saved_card_not_usable"


class OperationNotFound(OperationRejected):
    """There is no such capture, void or refund, or it belongs to another caller."""

    code = "operation_not_found"


class EventNotFound(OperationRejected):
    """There is no such event, or it belongs to another caller."""

    code = "event_not_found"


class RequestInvalid(OperationRejected):
    """A field of the request is missing or wrong. ``field`` names it, for example ``lines[0].sku``.

    ``others`` are the errors of further fields of the same request.
    """

    code = "request_invalid"

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.others: Sequence[RequestInvalid] = ()


class DisputeNotFound(OperationRejected):
    """The payment has no dispute, or there is no such payment."""

    code = "dispute_not_found"


class ProviderAccountNotFound(OperationRejected):
    """There is no provider account with this name."""

    code = "provider_account_not_found"


class NoProviderAccount(OperationRejected):
    """The merchant has no account with a payment provider, so that nobody could pay."""

    code = "no_provider_account"

    def __init__(self) -> None:
        super().__init__("The merchant has no account with a payment provider.")


class IllegalTransition(OperationRejected):
    """The payment's present state does not allow the action."""

    code = "illegal_transition"


class ApprovalRequired(OperationRejected):
    """A rule of the merchant requires that another member of staff approves the action first."""

    code = "approval_required"

    def __init__(self) -> None:
        super().__init__("Another member of staff has to approve this first.")


class EndpointDisabled(IllegalTransition):
    """The webhook endpoint is disabled, so nothing can be sent to it."""

    code = "endpoint_disabled"

    def __init__(self) -> None:
        super().__init__("The endpoint is disabled: enable it first.")


class AmountNotAvailable(OperationRejected):
    """The requested amount exceeds the amount that is left to capture or refund."""

    code = "amount_not_available"

    def __init__(self, message: str, *, requested: Money, available: Money) -> None:
        super().__init__(message)
        self.requested = requested
        self.available = available


class PaymentDisputed(AmountNotAvailable):
    """A dispute that is not booked yet may take money that would be needed for the refund."""

    code = "payment_disputed"


class RefundableDiffers(OperationRejected):
    """The amount left to refund is not the one that the caller expects, because it has changed since."""

    code = "refundable_differs"

    def __init__(self, message: str, *, expected: Money, available: Money) -> None:
        super().__init__(message)
        self.expected = expected
        self.available = available


class DuplicateRequest(OperationRejected):
    """The same request was made before with other values. ``field`` is the one that differs, if known."""

    code = "duplicate_request"

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class KeyReused(DuplicateRequest):
    """An idempotency key was reused for another request."""

    code = "key_reused"


class TooManyAttempts(OperationRejected):
    """Too many cards were tried. ``retry_after_seconds`` is None if trying again later does not help."""

    code = "too_many_attempts"

    def __init__(self, message: str, *, retry_after_seconds: int | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class CaptchaRequired(OperationRejected):
    """A CAPTCHA has to be solved before a card is tried."""

    code = "captcha_required"


class PatienceRequired(OperationRejected):
    """In attack mode, an address without earlier payments has to wait for its turn before a card is tried."""

    code = "patience_required"


class TokenRejected(OperationRejected):
    """A token is unknown, was made for another purpose, or has expired."""

    code = "token_rejected"

    def __init__(self, message: str, *, is_expired: bool = False) -> None:
        super().__init__(message)
        self.is_expired = is_expired


class ProviderError(CheckoutError):
    """A call to the payment provider failed."""

    code = "provider_error"


class ProviderUnavailable(ProviderError):
    """The request certainly did not reach the provider. It may be sent again."""

    code = "provider_unavailable"


class OutcomeUnknown(ProviderError):
    """The request may have been carried out. Query the provider, and never repeat the request blindly."""

    code = "outcome_unknown"


class ProviderReplyInvalid(ProviderError):
    """The provider's answer could not be understood. The outcome is unknown, and a developer must look."""

    code = "provider_reply_invalid"


class ListIncomplete(ProviderError):
    """The provider's list of orders was cut. Ask for a shorter period."""

    code = "list_incomplete"


class ProviderMisconfigured(ProviderError):
    """The provider refused our credentials or set-up. Nothing was carried out, and an operator must look."""

    code = "provider_misconfigured"


class AmountNotSupported(ProviderMisconfigured):
    """The account cannot send this amount exactly, or cannot use its currency. Nothing was sent."""

    code = "amount_not_supported"


class NotificationRejected(ProviderError):
    """A notification is not authentic or cannot be read. Its sender must correct it."""

    code = "notification_rejected"


class SenderNotAllowed(NotificationRejected):
    """A notification came from an address outside the account's networks."""

    code = "sender_not_allowed"


class NotificationNotAuthentic(NotificationRejected):
    """A notification came with credentials other than those of its account."""

    code = "notification_not_authentic"


class NotificationFormatNotSupported(NotificationRejected):
    """A notification has the format of another product. The account must be set up for our format."""

    code = "notification_format_not_supported"


class StoredSecretUnreadable(CheckoutError):
    """A secret in the database cannot be decrypted with the secret keys of this process."""

    code = "stored_secret_unreadable"


class CardKeysMisconfigured(CheckoutError):
    """The keys of the card's second seal are missing or malformed. An operator must set them."""

    code = "card_keys_misconfigured"


class CardSealRefused(CheckoutError):
    """The card cannot be used as it arrived. Nothing was sent to the provider."""

    code = "card_seal_refused"


class CardNotSealed(CardSealRefused):
    """The card arrived without a second seal, so it does not come from web."""

    code = "card_not_sealed"


class CardKeyUnknown(CardSealRefused):
    """The card was sealed with a key that is not, or no longer, in the settings."""

    code = "card_key_unknown"


class CardSealBroken(CardSealRefused):
    """The seal was made for another attempt, or was changed on the way."""

    code = "card_seal_broken"


class CardSealExpired(CardSealRefused):
    """The card arrived after its seal had expired."""

    code = "card_seal_expired"
