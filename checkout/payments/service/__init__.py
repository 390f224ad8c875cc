"""The payments service: all communication with payment providers.

Each command about a provider declares its request, and ``provider_call`` carries it out, from the intent to
the outcome.
"""

from checkout.payments.service import (
    abandonment,
    authorisation,
    claims,
    inquiry,
    modification,
    operation_inquiry,
    review,
)
from checkout.payments.service.cards import token_deletion
from checkout.payments.service.notifications import notification
from checkout.payments.service.service import service

__all__ = [
    "abandonment",
    "authorisation",
    "claims",
    "inquiry",
    "modification",
    "notification",
    "operation_inquiry",
    "review",
    "service",
    "token_deletion",
]
