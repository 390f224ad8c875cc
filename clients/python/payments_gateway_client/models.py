# Made by python -m scripts.clients.python from docs/openapi.yaml. Do not edit.
"""The objects of the API, as its JSON has them, and the queries of its lists."""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypeAlias, TypedDict


class AdvanceClock(TypedDict):
    """The time by which a payment's clock is moved forward."""

    seconds: int


class AmountsObject(TypedDict):
    """Sums in minor units of the payment's currency."""

    authorised: int
    capturable: int
    captured: int
    refunded: int
    refundable: int
    disputed: int
    dispute_claimed: int


class AttemptAtDelivery(TypedDict):
    """One attempt to deliver an event."""

    at: str
    url: str
    status: int | None
    error: str | None
    detail: str
    duration_ms: int
    response: str


class AttemptObject(TypedDict):
    """One attempt at a payment, with one card."""

    id: str
    object: Literal["attempt"]
    payment: str
    number: int
    state: AttemptStatus
    last_error: ErrorObject | None
    card: CardObject | None
    created_at: str
    updated_at: str
    three_d_secure: ThreeDSecureObject | None
    merchant_initiated: MerchantInitiated | None


class Cancel(TypedDict):
    """The cancellation of an unpaid payment."""


class Capture(TypedDict):
    """The capture of an amount, or of all that is left."""

    reason: NotRequired[str]
    metadata: NotRequired[dict[str, str]]
    amount: NotRequired[int]
    final_capture: NotRequired[bool]


class CardObject(TypedDict):
    """The data of the card that may be shown."""

    brand: str
    last4: str


class ChangePayment(TypedDict):
    """The fields of a payment that are to change. The others stay as they are."""

    metadata: dict[str, str | None]


class ChangeWebhookEndpoint(TypedDict):
    """The fields of an endpoint that are to change. The others stay as they are."""

    url: NotRequired[str]
    event_types: NotRequired[
        list[
            Literal[
                "payment.created",
                "payment.processing",
                "payment.action_required",
                "payment.unknown",
                "payment.authorised",
                "payment.capture_pending",
                "payment.capture_refused",
                "payment.partially_captured",
                "payment.captured",
                "payment.declined",
                "payment.void_pending",
                "payment.void_refused",
                "payment.voided",
                "payment.partially_refunded",
                "payment.refunded",
                "payment.refund_returned",
                "payment.disputed",
                "payment.dispute_reversed",
                "payment.cancelled",
                "payment.expired",
                "capture.requested",
                "capture.pending",
                "capture.succeeded",
                "capture.refused",
                "capture.unknown",
                "void.requested",
                "void.pending",
                "void.succeeded",
                "void.refused",
                "void.unknown",
                "refund.requested",
                "refund.pending",
                "refund.succeeded",
                "refund.refused",
                "refund.unknown",
                "dispute.opened",
                "dispute.reversed",
            ]
        ]
    ]
    payload: NotRequired[Literal["full", "thin"]]
    description: NotRequired[str]
    contact_email: NotRequired[str]


class CreatePayment(TypedDict):
    """The payment of an order."""

    order_reference: str
    amount: int
    currency: str
    description: str
    customer_email: NotRequired[str]
    lines: NotRequired[list[dict[str, Any]]]
    return_url: NotRequired[str]
    cancel_url: NotRequired[str]
    locale: NotRequired[str]
    metadata: NotRequired[dict[str, str]]
    expires_at: NotRequired[str | None]
    captures_automatically: NotRequired[bool]
    customer_reference: NotRequired[str]
    saved_card: NotRequired[str]
    merchant_initiated: NotRequired[Literal["unscheduled", "recurring", "instalment"]]


class CreatePaymentLink(TypedDict):
    """A payment link, and the payments that shoppers make with it."""

    order_reference: str
    amount: int
    currency: str
    description: str
    reusable: NotRequired[bool]
    max_quantity: NotRequired[int]
    min_amount: NotRequired[int | None]
    max_amount: NotRequired[int | None]
    asks_email: NotRequired[bool]
    return_url: NotRequired[str]
    metadata: NotRequired[dict[str, str]]
    expires_at: NotRequired[str | None]


class CreateWebhookEndpoint(TypedDict):
    """An address to which webhooks are sent."""

    url: str
    event_types: NotRequired[
        list[
            Literal[
                "payment.created",
                "payment.processing",
                "payment.action_required",
                "payment.unknown",
                "payment.authorised",
                "payment.capture_pending",
                "payment.capture_refused",
                "payment.partially_captured",
                "payment.captured",
                "payment.declined",
                "payment.void_pending",
                "payment.void_refused",
                "payment.voided",
                "payment.partially_refunded",
                "payment.refunded",
                "payment.refund_returned",
                "payment.disputed",
                "payment.dispute_reversed",
                "payment.cancelled",
                "payment.expired",
                "capture.requested",
                "capture.pending",
                "capture.succeeded",
                "capture.refused",
                "capture.unknown",
                "void.requested",
                "void.pending",
                "void.succeeded",
                "void.refused",
                "void.unknown",
                "refund.requested",
                "refund.pending",
                "refund.succeeded",
                "refund.refused",
                "refund.unknown",
                "dispute.opened",
                "dispute.reversed",
            ]
        ]
    ]
    payload: NotRequired[Literal["full", "thin"]]
    description: NotRequired[str]
    contact_email: NotRequired[str]


class CustomerSessionObject(TypedDict):
    """A link for one customer to the page of a payment, on which the customer's saved cards can be used."""

    object: Literal["customer_session"]
    payment: str
    customer_reference: str
    url: str
    expires_at: str


class DeletedWebhookEndpointObject(TypedDict):
    """An endpoint that was deleted."""

    id: str
    object: Literal["webhook_endpoint"]
    deleted: bool


class DeliveryLogObject(TypedDict):
    """A delivery with its attempts."""

    id: str
    object: Literal["delivery"]
    endpoint: str
    event: str
    event_type: str
    payment: str | None
    state: Literal["delivered", "failed", "pending"]
    tries: int
    last_result: str | None
    next_try_at: str | None
    created_at: str
    ended_at: str | None
    attempts: list[AttemptAtDelivery]


class DeliveryObject(TypedDict):
    """The delivery of an event to an endpoint."""

    id: str
    object: Literal["delivery"]
    endpoint: str
    event: str
    event_type: str
    payment: str | None
    state: Literal["delivered", "failed", "pending"]
    tries: int
    last_result: str | None
    next_try_at: str | None
    created_at: str
    ended_at: str | None


class DisableWebhookEndpoint(TypedDict):
    """The reason for disabling the endpoint, which is shown with it."""

    reason: NotRequired[str]


class Disabled(TypedDict):
    """The reason for which an endpoint is disabled, in words for people."""

    reason: str
    since: str


class DisputeObject(TypedDict):
    """The dispute of a payment: sums that issuers took back or claim, or their request for information."""

    object: Literal["dispute"]
    payment: str
    order_reference: str
    status: Literal["charged_back", "claimed", "information_requested", "reversed"]
    amount: int
    currency: str
    reason_code: str
    reason: str
    answer_by: str | None
    is_answered: bool
    operations: list[str]
    evidence: list[EvidenceObject]


class ErrorObject(TypedDict):
    """A refusal, with texts for developers and shoppers."""

    code: str
    decline_code: str
    message: str
    shopper_message: str


class EventObject(TypedDict):
    """A change."""

    id: str
    object: Literal["event"]
    type: str
    created_at: str
    live: bool
    sequence: int
    merchant: str
    payment: str
    order_reference: str
    operation: str | None
    data: dict[str, Any]
    changes: dict[str, Any]


class EvidenceInput(TypedDict):
    """A file: a whole PDF, PNG or JPEG without card numbers."""

    name: str
    content: str
    description: NotRequired[str]


class EvidenceObject(TypedDict):
    """A file with which a dispute is answered."""

    id: str
    name: str
    media_type: str
    size: int
    sha256: str
    description: str
    added_by: str
    added_at: str


class Failing(TypedDict):
    """The failed attempts at an endpoint since the last success. Attempts that ended during a pause do not
    count."""

    failures: int
    since: str | None
    paused_until: str | None


class LineObject(TypedDict):
    """A line of the order."""

    sku: str
    quantity: int


class AttemptList(TypedDict):
    """A page of objects."""

    object: Literal["list"]
    data: list[AttemptObject]
    has_more: bool
    next_cursor: str | None


class DeliveryList(TypedDict):
    """A page of objects."""

    object: Literal["list"]
    data: list[DeliveryObject]
    has_more: bool
    next_cursor: str | None


class DisputeList(TypedDict):
    """A page of objects."""

    object: Literal["list"]
    data: list[DisputeObject]
    has_more: bool
    next_cursor: str | None


class EventList(TypedDict):
    """A page of objects."""

    object: Literal["list"]
    data: list[EventObject]
    has_more: bool
    next_cursor: str | None


class OperationList(TypedDict):
    """A page of objects."""

    object: Literal["list"]
    data: list[OperationObject]
    has_more: bool
    next_cursor: str | None


class PaymentLinkList(TypedDict):
    """A page of objects."""

    object: Literal["list"]
    data: list[PaymentLinkObject]
    has_more: bool
    next_cursor: str | None


class PaymentList(TypedDict):
    """A page of objects."""

    object: Literal["list"]
    data: list[PaymentObject]
    has_more: bool
    next_cursor: str | None


class SavedCardList(TypedDict):
    """A page of objects."""

    object: Literal["list"]
    data: list[SavedCardObject]
    has_more: bool
    next_cursor: str | None


class WebhookEndpointList(TypedDict):
    """A page of objects."""

    object: Literal["list"]
    data: list[WebhookEndpointObject]
    has_more: bool
    next_cursor: str | None


class NewWebhookSecretObject(TypedDict):
    """An endpoint with its new secret."""

    id: str
    object: Literal["webhook_endpoint"]
    merchant: str
    url: str
    description: str
    contact_email: str
    event_types: list[str]
    payload: Literal["full", "thin"]
    state: Literal["disabled", "enabled"]
    disabled: Disabled | None
    failing: Failing | None
    public_keys: list[str]
    api_version: str
    created_at: str
    secret: str | None


class NextAction(TypedDict):
    """The next step of the shopper."""

    type: Literal["redirect"]
    url: str


class NoFields(TypedDict):
    """A body without fields, which may be left out."""


class OperationEventData(TypedDict):
    """The operation after the change."""

    object: OperationObject
    order_reference: str
    merchant: str
    metadata: dict[str, str]
    left_out: NotRequired[list[str]]


class OperationObject(TypedDict):
    """A movement of a payment's money: a capture, a void, a refund, or a dispute or its reversal."""

    id: str
    object: OperationKind
    payment: str
    amount: int
    currency: str
    state: OperationState
    refusal_reason: str
    reason: str
    metadata: dict[str, str]
    requested_by: str
    final_capture: bool
    created_at: str
    updated_at: str
    attempt: str
    outcome_at: str | None


class OperationWebhookEvent(TypedDict):
    """A change. `data` is the operation after the change, and `changes` has the earlier values. Webhooks to
    an endpoint with the payload `thin` have neither."""

    id: str
    object: Literal["event"]
    type: Literal[
        "capture.pending",
        "capture.refused",
        "capture.requested",
        "capture.succeeded",
        "capture.unknown",
        "dispute.opened",
        "dispute.reversed",
        "refund.pending",
        "refund.refused",
        "refund.requested",
        "refund.succeeded",
        "refund.unknown",
        "void.pending",
        "void.refused",
        "void.requested",
        "void.succeeded",
        "void.unknown",
    ]
    created_at: str
    live: bool
    sequence: int
    merchant: str
    payment: str
    order_reference: str
    operation: str | None
    api_version: str
    data: NotRequired[OperationEventData]
    changes: NotRequired[dict[str, Any]]


class PaymentEventData(TypedDict):
    """The payment after the change, with the attempt and operations that have no events of their own."""

    order_reference: str
    merchant: str
    metadata: dict[str, str]
    left_out: NotRequired[list[str]]
    object: PaymentObject
    latest_attempt: AttemptObject | None
    operations: list[OperationObject]


class PaymentLinkObject(TypedDict):
    """A link for shoppers, which makes payments."""

    id: str
    object: Literal["payment_link"]
    url: str
    state: Literal["active", "disabled", "expired", "used_up"]
    merchant: str
    order_reference: str
    amount: int
    currency: str
    description: str
    return_url: str
    metadata: dict[str, str]
    reusable: bool
    max_quantity: int
    min_amount: int | None
    max_amount: int | None
    asks_email: bool
    qr_code_url: str
    payments: int
    expires_at: str | None
    created_at: str


class PaymentObject(TypedDict):
    """The payment of one order."""

    id: str
    object: Literal["payment"]
    order_reference: str
    merchant: str
    state: PaymentStatus
    is_final: bool
    can_retry: bool
    amount: int
    currency: str
    amounts: AmountsObject
    available_actions: list[Literal["cancel", "capture", "refund", "void"]]
    next_action: NextAction | None
    last_error: ErrorObject | None
    card: CardObject | None
    description: str
    customer_email: str
    metadata: dict[str, str]
    return_url: str
    cancel_url: str
    checkout_url: str
    locale: str
    captures_automatically: bool
    lines: list[LineObject]
    live: bool
    created_at: str
    updated_at: str
    expires_at: str | None
    version: int
    customer_reference: str
    effective_expires_at: str | None
    capture_before: str | None
    payment_link: str | None
    saved_card: str | None
    merchant_initiated: MerchantInitiated | None


class PaymentWebhookEvent(TypedDict):
    """A change. `data` is the payment after the change, and `changes` has the earlier values. Webhooks to
    an endpoint with the payload `thin` have neither."""

    id: str
    object: Literal["event"]
    type: Literal[
        "payment.action_required",
        "payment.authorised",
        "payment.cancelled",
        "payment.capture_pending",
        "payment.capture_refused",
        "payment.captured",
        "payment.created",
        "payment.declined",
        "payment.dispute_reversed",
        "payment.disputed",
        "payment.expired",
        "payment.partially_captured",
        "payment.partially_refunded",
        "payment.processing",
        "payment.refund_returned",
        "payment.refunded",
        "payment.unknown",
        "payment.void_pending",
        "payment.void_refused",
        "payment.voided",
    ]
    created_at: str
    live: bool
    sequence: int
    merchant: str
    payment: str
    order_reference: str
    operation: str | None
    api_version: str
    data: NotRequired[PaymentEventData]
    changes: NotRequired[dict[str, Any]]


class Problem(TypedDict):
    """A problem (RFC 9457). Programs compare `code`; texts may change."""

    type: str
    code: str
    title: str
    status: int
    detail: str
    request_id: str
    errors: NotRequired[list[dict[str, Any]]]
    available: NotRequired[int]
    currency: NotRequired[str]
    refundable: NotRequired[int]
    scope: NotRequired[str]
    versions: NotRequired[list[str]]


class ReceiptObject(TypedDict):
    """The receipt that a shopper gets by e-mail."""

    object: Literal["receipt"]
    payment: str
    state: Literal["not_sent", "owed", "sent"]
    resendings: int
    sent_at: str | None


class Refund(TypedDict):
    """The refund of an amount, or of all that is left."""

    reason: NotRequired[str]
    metadata: NotRequired[dict[str, str]]
    amount: NotRequired[int]
    expected_refundable: NotRequired[int]


class ResendSince(TypedDict):
    """The time since which all events are sent again."""

    since: str
    cursor: NotRequired[str]


class ResentObject(TypedDict):
    """The answer to a request to send events again."""

    object: Literal["resent"]
    endpoint: str
    events: int
    has_more: bool
    next_cursor: str | None


class SavedCardObject(TypedDict):
    """A card that a customer has saved."""

    id: str
    object: Literal["saved_card"]
    customer_reference: str
    state: Literal["active", "removed"]
    usable: bool
    card: CardObject
    expiry: str
    payment: str
    created_at: str
    removed_at: str | None


class ThreeDSecureObject(TypedDict):
    """The authentication of the shopper by the issuer (3-D Secure)."""

    result: Authentication | None
    challenged: bool
    protocol_version: str | None


class Void(TypedDict):
    """The release of the authorised money."""

    reason: NotRequired[str]
    metadata: NotRequired[dict[str, str]]


class WebhookEndpointObject(TypedDict):
    """An address to which events are sent."""

    id: str
    object: Literal["webhook_endpoint"]
    merchant: str
    url: str
    description: str
    contact_email: str
    event_types: list[str]
    payload: Literal["full", "thin"]
    state: Literal["disabled", "enabled"]
    disabled: Disabled | None
    failing: Failing | None
    public_keys: list[str]
    api_version: str
    created_at: str


class WebhookTestObject(TypedDict):
    """A test event (`ping`). It belongs to no payment, so it has no sequence and no data."""

    id: str
    object: Literal["event"]
    type: Literal["webhook.test"]
    created_at: str
    live: bool
    merchant: str
    endpoint: str
    api_version: str


AttemptStatus: TypeAlias = Literal["action_required", "failed", "processing", "succeeded", "unknown"]
Authentication: TypeAlias = Literal["attempted", "authenticated", "failed", "not_available"]
MerchantInitiated: TypeAlias = Literal["instalment", "recurring", "unscheduled"]
OperationKind: TypeAlias = Literal["capture", "dispute", "dispute_reversal", "refund", "void"]
OperationState: TypeAlias = Literal["pending", "refused", "requested", "succeeded", "unknown"]
PaymentStatus: TypeAlias = Literal[
    "action_required",
    "authorised",
    "cancelled",
    "capture_pending",
    "captured",
    "declined",
    "disputed",
    "expired",
    "open",
    "partially_captured",
    "partially_refunded",
    "processing",
    "refunded",
    "unknown",
    "void_pending",
    "voided",
]
WebhookEvent: TypeAlias = PaymentWebhookEvent | OperationWebhookEvent | WebhookTestObject


class ListPaymentsQuery(TypedDict):
    """The query of: List payments, the newest first."""

    limit: NotRequired[int]
    cursor: NotRequired[str]
    created_from: NotRequired[str]
    created_to: NotRequired[str]
    currency: NotRequired[str]
    amount_from: NotRequired[int]
    amount_to: NotRequired[int]
    order_reference: NotRequired[str]
    customer_reference: NotRequired[str]
    customer_email: NotRequired[str]
    metadata: NotRequired[str]
    text: NotRequired[str]
    state: NotRequired[
        list[
            Literal[
                "open",
                "processing",
                "action_required",
                "unknown",
                "declined",
                "authorised",
                "capture_pending",
                "partially_captured",
                "captured",
                "void_pending",
                "voided",
                "partially_refunded",
                "refunded",
                "disputed",
                "cancelled",
                "expired",
            ]
        ]
    ]


class FindPaymentQuery(TypedDict):
    """The query of: Read a payment by the order's number."""

    order_reference: str


class ListAttemptsQuery(TypedDict):
    """The query of: List the attempts at a payment, the newest first."""

    limit: NotRequired[int]
    cursor: NotRequired[str]


class ListOperationsQuery(TypedDict):
    """The query of: List all operations of a payment, the oldest first."""

    kind: NotRequired[Literal["capture", "void", "refund", "dispute", "dispute_reversal"]]
    state: NotRequired[Literal["requested", "pending", "succeeded", "refused", "unknown"]]


class ListAllOperationsQuery(TypedDict):
    """The query of: List the operations of all payments, such as refunds, the newest first."""

    limit: NotRequired[int]
    cursor: NotRequired[str]
    created_from: NotRequired[str]
    created_to: NotRequired[str]
    currency: NotRequired[str]
    amount_from: NotRequired[int]
    amount_to: NotRequired[int]
    kind: NotRequired[list[Literal["capture", "void", "refund", "dispute", "dispute_reversal"]]]
    state: NotRequired[list[Literal["requested", "pending", "succeeded", "refused", "unknown"]]]


class ListPaymentLinksQuery(TypedDict):
    """The query of: List payment links, the newest first."""

    limit: NotRequired[int]
    cursor: NotRequired[str]


class ListSavedCardsQuery(TypedDict):
    """The query of: List the cards that a customer has saved, the newest first; removed ones are left
    out."""

    limit: NotRequired[int]
    cursor: NotRequired[str]
    customer_reference: str


class ListDisputesQuery(TypedDict):
    """The query of: List disputes, the newest payment first."""

    limit: NotRequired[int]
    cursor: NotRequired[str]


class ListEventsQuery(TypedDict):
    """The query of: List events, the newest first; with Prefer: wait=N, an empty page waits for an
    event."""

    limit: NotRequired[int]
    cursor: NotRequired[str]
    created_from: NotRequired[str]
    created_to: NotRequired[str]
    object_id: NotRequired[str]
    types: NotRequired[str]
    delivered: NotRequired[bool]


class ListDeliveriesOfEventQuery(TypedDict):
    """The query of: List the deliveries of an event."""

    limit: NotRequired[int]
    cursor: NotRequired[str]
    created_from: NotRequired[str]
    created_to: NotRequired[str]
    state: NotRequired[Literal["pending", "delivered", "failed"]]
    delivered: NotRequired[bool]


class ListWebhookEndpointsQuery(TypedDict):
    """The query of: List webhook endpoints, the newest first."""

    limit: NotRequired[int]
    cursor: NotRequired[str]


class ListDeliveriesOfEndpointQuery(TypedDict):
    """The query of: List the deliveries to an endpoint, the newest first."""

    limit: NotRequired[int]
    cursor: NotRequired[str]
    created_from: NotRequired[str]
    created_to: NotRequired[str]
    state: NotRequired[Literal["pending", "delivered", "failed"]]
    delivered: NotRequired[bool]
