"""The interface to payment providers: fixed verbs, value objects as arguments, and one type of result.

A refusal is a result, not an exception. Errors that a verb may raise: ``ProviderUnavailable`` (certainly not
sent), ``OutcomeUnknown`` and ``ProviderReplyInvalid`` (the provider may have carried the request out),
``ProviderMisconfigured``. Its subclass ``AmountNotSupported`` means that the request can never be sent as it
is. A verb never repeats a request by itself and never uses the database. Values that no provider could accept
are a mistake in our own code and raise ``ValueError``, or ``OrderCodeNotSendable`` for an order code.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from checkout.money import Money
from checkout.payments.providers.authentication import ThreeDSecure
from checkout.payments.providers.saved_cards import IssuedToken, KeptToken, StoredCard


class Verb(StrEnum):
    """A kind of request to a provider."""

    AUTHORISE = "authorise"
    COMPLETE_CHALLENGE = "complete_challenge"
    CAPTURE = "capture"
    VOID = "void"
    REFUND = "refund"
    INQUIRE = "inquire"
    LIST = "list"
    DELETE_TOKEN = "delete_token"  # noqa: S105 - a verb, not a secret


class OrderCodeNotSendable(ValueError):
    """The provider cannot get this order code unchanged. Orders with it come from other programs."""


class Outcome(StrEnum):
    """The provider's answer to a request; ``UNKNOWN`` if nothing is certain.

    ``NOT_SENT`` means that nothing has left our systems. ``NOT_FOUND`` is the answer that there is no such
    order; soon after a request, or during a challenge, the order may still appear. ``NOT_ABLE`` is the answer
    that the account may not make this request: nothing was done. An inquiry returns ``APPROVED`` for an
    authorised order; ``kind`` shows what happened to it later.
    """

    APPROVED = "approved"
    CHALLENGE_REQUIRED = "challenge_required"
    DEVICE_DATA_REQUIRED = "device_data_required"
    PENDING = "pending"
    REFUSED = "refused"
    NOT_SENT = "not_sent"
    NOT_FOUND = "not_found"
    NOT_ABLE = "not_able"
    UNKNOWN = "unknown"


class EventKind(StrEnum):
    """The meaning of a provider's event, in our vocabulary."""

    AUTHORISED = "authorised"
    REFUSED = "refused"
    CANCELLED = "cancelled"
    CAPTURED = "captured"
    CAPTURE_FAILED = "capture_failed"
    SETTLED = "settled"
    REFUND_SENT = "refund_sent"
    REFUNDED = "refunded"
    REFUND_FAILED = "refund_failed"
    EXPIRED = "expired"
    CHARGED_BACK = "charged_back"
    CHARGE_BACK_REVERSED = "charge_back_reversed"
    ERROR = "error"
    OTHER = "other"


class RefusalReason(StrEnum):
    """The reason for a refusal, in our vocabulary, to which adapters map the codes of their providers."""

    REFUSED_BY_ISSUER = "refused_by_issuer"
    INSUFFICIENT_FUNDS = "insufficient_funds"
    CARD_EXPIRED = "card_expired"
    CARD_INVALID = "card_invalid"
    SECURITY_CODE_INVALID = "security_code_invalid"
    LOST_OR_STOLEN = "lost_or_stolen"
    SUSPECTED_FRAUD = "suspected_fraud"
    NOT_PERMITTED = "not_permitted"
    AUTHENTICATION_FAILED = "authentication_failed"
    AUTHENTICATION_REQUIRED = "authentication_required"
    ISSUER_UNAVAILABLE = "issuer_unavailable"
    CANCELLED = "cancelled"
    INVALID_REQUEST = "invalid_request"
    PROVIDER_ERROR = "provider_error"
    CARD_NOT_RECEIVED = "card_not_received"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One merchant's account with one provider, including its secrets in the clear."""

    code: str
    provider: str
    merchant_code: str
    endpoint: str
    credentials: Mapping[str, str] = field(repr=False)
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Browser:
    """The details that the shopper's browser reports (EMV 3DS 2, section 3.2 of the browser flow).

    Screen sizes are in CSS pixels. ``time_zone`` is in minutes between UTC and local time, as in JavaScript.
    """

    accept_header: str
    user_agent: str
    ip_address: str
    javascript_enabled: bool = False
    language: str = ""
    java_enabled: bool = False
    colour_depth: int | None = None
    screen_height: int | None = None
    screen_width: int | None = None
    time_zone: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorisation:
    """All data for an authorisation. Only the provider can open ``sealed_card``.

    If ``captures`` is true, the whole amount is captured once it is authorised. If ``demands_challenge`` is
    true, the issuer must challenge the shopper, whatever the account prefers. If ``saves_for`` is not empty,
    the provider is to keep the card for that customer. A ``stored_card`` takes the place of the sealed one.
    If the stored card has a reason, there is no shopper, and ``browser`` is ignored. ``language`` is the
    shopper's (BCP 47); "" if it is not known.
    """

    order_code: str
    session_id: str
    idempotency_key: str
    amount: Money
    description: str
    shopper_email: str
    browser: Browser
    sealed_card: str = field(default="", repr=False)
    device_data_reference: str = ""
    challenge_window: str = "390x400"
    captures: bool = False
    demands_challenge: bool = False
    saves_for: str = ""
    stored_card: StoredCard | None = None
    language: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChallengeCompletion:
    """The second message, after the shopper has returned from the ACS.

    ``session_state`` is the one of the first reply.
    """

    order_code: str
    session_id: str
    idempotency_key: str
    session_state: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Modification:
    """A capture, void or refund of an authorised order.

    ``reference`` is our own reference, which notifications repeat. A void always releases the whole
    authorisation.
    """

    order_code: str
    reference: str
    idempotency_key: str
    amount: Money
    session_state: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """The data that starts the challenge in the shopper's browser. ``version`` is that of EMV 3-D Secure."""

    version: str
    transaction_id: str
    acs_url: str
    payload: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A refusal: our reason, and the provider's own code and words for staff."""

    reason: RefusalReason
    code: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CardChecks:
    """The results of the issuer's checks of security code and address, in the provider's words."""

    security_code: str = ""
    address: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CardSummary:
    """All card data that may be stored; ``expiry`` is ``MM/YYYY``."""

    brand: str = ""
    last4: str = ""
    expiry: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """The sums in the provider's books for an order, in one currency. None is a sum that is not told.

    ``authorised`` is zero if all of it was released. If a part was captured and the rest released, it
    includes the rest. ``captured`` and ``refunded`` are booked sums. If more was captured than authorised,
    ``captured`` is a minimum. ``charged_back`` is the sum that issuers took back, minus the sum that they
    returned.
    """

    authorised: Money | None = None
    captured: Money | None = None
    refunded: Money | None = None
    charged_back: Money | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WholePosition(Position):
    """A position with all sums; only ``charged_back`` may be None."""

    authorised: Money
    captured: Money
    refunded: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderResult:
    """The answer of any verb.

    ``event`` is the provider's own word, kept even if we do not know it, and ``kind`` its meaning. If the
    sums show a capture but ``event`` only the authorisation, ``is_behind`` is true and ``kind`` is the
    capture. ``reference`` is the provider's authorisation id. ``session_state`` is opaque and must be sent
    with the order's next message. ``position`` has the order's sums from an inquiry; None if no sum is told.
    ``kept`` replaces it if the provider tells only the sum that was captured and not given back. If
    ``presume_unsettled`` is true, the sums are wrong if money was settled. ``references`` are our operations
    that the last event names. ``transcript`` is scrubbed. ``token`` is that of a card that the provider now
    keeps, or ``token_fault`` says why there is none; neither changes the outcome.
    """

    outcome: Outcome
    order_code: str = ""
    event: str = ""
    kind: EventKind = EventKind.OTHER
    amount: Money | None = None
    challenge: Challenge | None = None
    refusal: Refusal | None = None
    three_ds: ThreeDSecure | None = None
    card: CardSummary | None = None
    checks: CardChecks | None = None
    position: Position | None = None
    kept: Money | None = None
    presume_unsettled: bool = False
    is_behind: bool = False
    reference: str = ""
    references: tuple[str, ...] = ()
    token: IssuedToken | None = None
    token_fault: str = ""
    session_state: str = field(default="", repr=False)
    transcript: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """One statement of the provider about one order. ``kind`` is ours, ``event`` the provider's word.

    ``amount`` is the amount of this event; None if the provider does not report it. ``reference`` is our
    operation's, if the provider knows it. ``references`` are all candidates for it, the likeliest first,
    because providers name several references and do not agree on their meaning. ``event_id`` is the same each
    time the provider repeats the statement. If ``is_identity`` is true, no other event has this id; otherwise
    the id is made from the content, so that two operations of one day with the same amount have the same id.
    If ``is_known`` is false, the adapter does not know the event, and its kind, ``OTHER``, says nothing.
    """

    merchant_code: str
    order_code: str
    kind: EventKind
    event: str
    amount: Money | None = None
    reference: str = ""
    references: tuple[str, ...] = ()
    event_id: str = ""
    is_identity: bool = True
    is_known: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class BrowserForm:
    """A form that the shopper's browser posts to the provider or the ACS."""

    action: str
    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class CardEncryption:
    """The address of the script that encrypts the card in the browser, and the public key for it.

    A browser runs the script only if its content has the digest ``integrity`` (W3C Subresource Integrity). If
    ``integrity`` is empty, the browser runs any script from that address.
    """

    script_url: str
    public_key: str
    integrity: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgement:
    """The exact HTTP answer that stops the provider from sending a notification again."""

    status: int
    body: str
    content_type: str


class Provider(Protocol):
    """The interface of every adapter, which is constructed with an ``Account``."""

    account: Account

    def authorise(self, request: Authorisation) -> ProviderResult: ...

    def complete_challenge(self, request: ChallengeCompletion) -> ProviderResult: ...

    def capture(self, request: Modification) -> ProviderResult: ...

    def void(self, request: Modification) -> ProviderResult: ...

    def refund(self, request: Modification) -> ProviderResult: ...

    def inquire(self, order_code: str) -> ProviderResult: ...

    @property
    def inquiries_at_once(self) -> int:
        """Return how many inquiries of this account may wait for their answers at the same time."""

    def require_sendable(self, amount: Money) -> None:
        """Raise ``AmountNotSupported`` if this account cannot send ``amount`` exactly. Nothing is sent."""

    @property
    def captures_with_authorisation(self) -> bool:
        """Return True if this account has the provider make automatic captures with the authorisation."""

    @property
    def refuses_failed_authentication(self) -> bool:
        """Return True if an authorisation is to be given up when 3-D Secure has failed."""

    def recognised_key(self, key: str) -> str:
        """Return the idempotency key in the provider's form; empty if it recognises no repeated requests."""

    @property
    def remembers_keys_for(self) -> timedelta:
        """Return how long a repeated capture or refund with a known key certainly has no second effect."""

    @property
    def saves_cards(self) -> bool:
        """Return True if this account may have cards kept, and charge them later."""

    @property
    def deletes_tokens(self) -> bool:
        """Return True if ``delete_token`` may be called. If not, a token stays until it expires."""

    def delete_token(self, kept: KeptToken) -> ProviderResult:
        """Delete the token of a saved card. Deleting it twice is harmless.

        ``APPROVED`` means that the provider has no such token, ``UNKNOWN`` with ``TOKEN_NOT_FOUND`` that it
        has not found it this time. The result has no transcript, because the token would be in it.
        """

    @property
    def lists_orders(self) -> bool:
        """Return True if ``orders`` may be called."""

    def orders(self, since: datetime, until: datetime) -> Sequence[ProviderResult]:
        """Return an inquiry's result for every order that was submitted from ``since`` to before ``until``.

        Orders for which an inquiry would answer ``NOT_FOUND`` are left out. Raises ``ListIncomplete`` if the
        provider has not listed all of the others.
        """

    def card_encryption(self) -> CardEncryption: ...

    def device_data_form(self) -> BrowserForm:
        """Return the hidden form for device data. The page adds the card's first digits as ``Bin``."""

    def challenge_form(self, challenge: Challenge, *, return_url: str, merchant_data: str) -> BrowserForm: ...

    def parse_notification(self, body: bytes) -> list[Notification]:
        """Read a notification. Raises ``NotificationRejected`` if it cannot be read."""

    def acknowledgement(self) -> Acknowledgement: ...

    def scrub(self, transcript: bytes) -> str:
        """Return a message as text for people, without card data and secrets.

        A message that can be read must remain readable with the same meaning. The user name is no secret.
        """
