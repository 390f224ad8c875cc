"""The tables of payments, sagas and messages."""

from checkout.payments.models.appearance import Appearance, Logo, appearance_of
from checkout.payments.models.approval import ApprovalRequest, ApprovalRule
from checkout.payments.models.card_testing import AttackModeChange, CardTrial
from checkout.payments.models.dispute import Dispute, DisputeRecord, Evidence, EvidenceContent
from checkout.payments.models.event import Event, EventPosition
from checkout.payments.models.figures import HourlyFigure
from checkout.payments.models.link import PaymentLink
from checkout.payments.models.messages import DeadLetter, InboxMessage, OutboxMessage
from checkout.payments.models.notification import ProviderNotification
from checkout.payments.models.payment import (
    Attempt,
    Fact,
    Merchant,
    Operation,
    Payment,
    ProviderAccount,
)
from checkout.payments.models.provider_call import ProviderCall
from checkout.payments.models.reconciliation import Difference, PostponedComparison, Reconciliation
from checkout.payments.models.retention import RetentionWalk
from checkout.payments.models.saga import Saga, SagaStep, Waiter
from checkout.payments.models.saved_card import SavedCard
from checkout.payments.models.staff_view import StaffView

__all__ = [
    "Appearance",
    "ApprovalRequest",
    "ApprovalRule",
    "AttackModeChange",
    "Attempt",
    "CardTrial",
    "DeadLetter",
    "Difference",
    "Dispute",
    "DisputeRecord",
    "Event",
    "EventPosition",
    "Evidence",
    "EvidenceContent",
    "Fact",
    "HourlyFigure",
    "InboxMessage",
    "Logo",
    "Merchant",
    "Operation",
    "OutboxMessage",
    "Payment",
    "PaymentLink",
    "PostponedComparison",
    "ProviderAccount",
    "ProviderCall",
    "ProviderNotification",
    "Reconciliation",
    "RetentionWalk",
    "Saga",
    "SagaStep",
    "SavedCard",
    "StaffView",
    "Waiter",
    "appearance_of",
]
