"""Every table, by the part of the system that writes it."""

from checkout.models.card_testing import AttackModeChange, CardTrial
from checkout.models.ledger import LedgerEntry
from checkout.models.messages import DeadLetter, InboxMessage, OutboxMessage
from checkout.models.orders import Reservation, StockItem
from checkout.models.payment import (
    Attempt,
    Fact,
    Merchant,
    Operation,
    Payment,
    ProviderAccount,
    ProviderCall,
    ProviderNotification,
)
from checkout.models.reconciliation import Difference, Reconciliation
from checkout.models.risk import BlockedValue, RiskAssessment
from checkout.models.saga import Saga, SagaStep, Waiter
from checkout.models.webhooks import Receipt

__all__ = [
    "AttackModeChange",
    "Attempt",
    "BlockedValue",
    "CardTrial",
    "DeadLetter",
    "Difference",
    "Fact",
    "InboxMessage",
    "LedgerEntry",
    "Merchant",
    "Operation",
    "OutboxMessage",
    "Payment",
    "ProviderAccount",
    "ProviderCall",
    "ProviderNotification",
    "Receipt",
    "Reconciliation",
    "Reservation",
    "RiskAssessment",
    "Saga",
    "SagaStep",
    "StockItem",
    "Waiter",
]
