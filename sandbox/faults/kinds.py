"""The names of faults, as the scenarios page accepts them."""

from typing import Literal, get_args

Verb = Literal["submit", "complete", "capture", "cancel", "refund", "inquiry", "list", "delete_token"]
VERBS: tuple[Verb, ...] = get_args(Verb)
ReplyFault = Literal[
    "hang_before",
    "hang_after",
    "reset_before",
    "reset_after",
    "500_before",
    "500_after",
    "503_before",
    "503_after",
    "after_notification",
    "cut",
    "drip",
    "truncated",
    "empty",
    "html",
    "raw_ampersand",
    "wrong_encoding",
    "last_event_null",
    "last_event_unknown",
    "validation_failed",
    "two_payments",
    "payment_and_error",
    "token_not_found",
]
Journal = Literal[
    "AUTHORISED",
    "REFUSED",
    "ERROR",
    "CANCELLED",
    "CAPTURED",
    "SETTLED",
    "SENT_FOR_REFUND",
    "REFUNDED",
    "REFUND_FAILED",
    "INFORMATION_REQUESTED",
    "CHARGED_BACK",
    "CHARGEBACK_REVERSED",
    "DISPUTED_FUNDS_HELD",
    "DISPUTED_FUNDS_RELEASED",
    "DISPUTE_RESERVE_RELEASED",
    "DISPUTE_EXPIRED",
    "TELEPORTED",
]
JOURNALS: tuple[Journal, ...] = get_args(Journal)
NotificationFault = Literal[
    "duplicate",
    "replayed",
    "overtaken",
    "lost",
    "lost_once",
    "malformed",
    "form_encoded",
    "oversized",
    "wrong_amount",
    "smaller_amount",
    "wrong_currency",
    "wrong_merchant",
    "wrong_order",
    "contradictory",
    "unknown_status",
    "no_journal",
    "no_reference",
]
Dispute = Literal[
    "INFORMATION_REQUESTED",
    "CHARGED_BACK",
    "CHARGEBACK_REVERSED",
    "DISPUTED_FUNDS_HELD",
    "DISPUTED_FUNDS_RELEASED",
    "DISPUTE_RESERVE_RELEASED",
    "DISPUTE_EXPIRED",
    "TELEPORTED",
]
