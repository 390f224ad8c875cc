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
    "stray_balance",
    "validation_failed",
    "two_payments",
    "payment_and_error",
    "token_not_found",
    "list_cut",
    "no_list",
    "another_merchant",
    "order_not_ready",
    "sent_for_authorisation",
    "temporary_failure_before",
    "temporary_failure_after",
    "internal_error_before",
    "internal_error_after",
    "not_available_before",
    "not_available_after",
    "in_progress_before",
    "in_progress_after",
    "three_ds_error_before",
    "three_ds_error_after",
    "token_error_before",
    "token_error_after",
]
Page = Literal["device_data", "challenge", "issuer", "return"]
PAGES: tuple[Page, ...] = get_args(Page)
PageFault = Literal[
    "hang",
    "503",
    "no_message",
    "status_false",
    "another_transaction",
    "another_md",
    "by_get",
]
# The pages of the other faults are all of them.
ONLY_AT: dict[str, Page] = {
    "no_message": "device_data",
    "status_false": "device_data",
    "another_transaction": "return",
    "another_md": "return",
    "by_get": "return",
}
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
Journal = Literal[
    "AUTHORISED",
    "REFUSED",
    "ERROR",
    "CANCELLED",
    "EXPIRED",
    "CAPTURED",
    "SETTLED",
    "SENT_FOR_REFUND",
    "REFUNDED",
    "REFUND_FAILED",
    Dispute,
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
    "in_report",
]
