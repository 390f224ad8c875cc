"""The payments service: all communication with payment providers.

A provider call is three steps: commit the intent (``intent``), call with no lock and no transaction
(``asking``), commit the outcome (``conclusion``). A crash between the first and the last leaves an intent
without an outcome. Then the command is answered with "unknown", and the call is never repeated.
"""

from checkout.payments.service import abandonment, authorisation, inquiry, modification, operation_inquiry
from checkout.payments.service.evidence import claims, review
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
]
