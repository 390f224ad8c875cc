"""One function per user intention. Pages, notifications, the back office and the API all call these.

Each function is one transaction, synchronous and without network calls. Asynchronous code runs it through
``messaging.concurrency.database.in_thread``. The decision and the command that carries it out are committed
before anything is published, so a process that dies right afterwards loses only the fast answer.
"""

from checkout.payments.actions.accounts import merchant_named, require_account
from checkout.payments.actions.cancellation import cancel_payment, give_up
from checkout.payments.actions.card_testing import set_attack_mode
from checkout.payments.actions.creation import create_payment
from checkout.payments.actions.metadata import checked_metadata
from checkout.payments.actions.modification import (
    Available,
    OperationView,
    available,
    operations_of,
    request_capture,
    request_refund,
    request_void,
)
from checkout.payments.actions.notification import Recorded, record_notification
from checkout.payments.actions.payment_queries import (
    Page,
    list_events,
    list_operations,
    list_payments,
    read_event,
    read_operation,
    read_payment,
    read_payment_of_order,
)
from checkout.payments.actions.shopper.challenge import ChallengePage, challenge_page, return_from_challenge
from checkout.payments.actions.shopper.customer_session import CustomerSession, make_session, open_session
from checkout.payments.actions.shopper.pending import Pending
from checkout.payments.actions.shopper.showing import (
    CheckoutPage,
    OfferedCard,
    PaymentView,
    Taken,
    checkout_page,
    own_saved_card,
    payment_state,
    payment_view,
    remove_own_saved_card,
    watch_payment,
)
from checkout.payments.actions.shopper.submission import submit_payment
from checkout.payments.actions.staff.dead_letters import requeue_dead_letter, why_not_requeued
from checkout.payments.actions.staff.erasure import erase_payment
from checkout.payments.actions.staff.flows import (
    accept_unauthenticated,
    note_payment,
    resume_saga,
    review_payment,
)
from checkout.payments.actions.staff.handling import (
    deal_with_dead_letter,
    deal_with_difference,
    deal_with_notification,
)
from checkout.payments.actions.staff.outbox import send_again
from checkout.payments.actions.staff.restored import (
    doubt_requests,
    lock_payments,
    send_unhandled_again,
    unlock_payments,
)
from checkout.payments.actions.staff.settlement import settle_books
from checkout.payments.actions.status import check_status_token, status_token
from checkout.payments.sagas.movement import group_of

__all__ = [
    "Available",
    "ChallengePage",
    "CheckoutPage",
    "CustomerSession",
    "OfferedCard",
    "OperationView",
    "Page",
    "PaymentView",
    "Pending",
    "Recorded",
    "Taken",
    "accept_unauthenticated",
    "available",
    "cancel_payment",
    "challenge_page",
    "check_status_token",
    "checked_metadata",
    "checkout_page",
    "create_payment",
    "deal_with_dead_letter",
    "deal_with_difference",
    "deal_with_notification",
    "doubt_requests",
    "erase_payment",
    "give_up",
    "group_of",
    "list_events",
    "list_operations",
    "list_payments",
    "lock_payments",
    "make_session",
    "merchant_named",
    "note_payment",
    "open_session",
    "operations_of",
    "own_saved_card",
    "payment_state",
    "payment_view",
    "read_event",
    "read_operation",
    "read_payment",
    "read_payment_of_order",
    "record_notification",
    "remove_own_saved_card",
    "request_capture",
    "request_refund",
    "request_void",
    "requeue_dead_letter",
    "require_account",
    "resume_saga",
    "return_from_challenge",
    "review_payment",
    "send_again",
    "send_unhandled_again",
    "set_attack_mode",
    "settle_books",
    "status_token",
    "submit_payment",
    "unlock_payments",
    "watch_payment",
    "why_not_requeued",
]
