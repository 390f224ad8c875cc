"""The payments service: everything that is said to a payment provider, and everything a provider says.

A provider call is three steps: commit the intent (``intent``), call with no lock and no transaction
(``asking``), commit the outcome (``conclusion``). A crash between the first and the last leaves an intent
without outcome, which is answered with "unknown" and never repeated.
"""

from checkout.services.payments import (
    abandonment,
    authorisation,
    claims,
    inquiry,
    modification,
    notification,
    operation_inquiry,
    review,
)
from checkout.services.payments.service import service

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
]
