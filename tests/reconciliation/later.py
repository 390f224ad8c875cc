"""Let time pass, even for a database server, whose clock a test cannot move."""

from datetime import timedelta

from django.db.models import F

from checkout.payments.models import (
    Attempt,
    Operation,
    Payment,
    PostponedComparison,
    ProviderCall,
    Reconciliation,
    Saga,
)
from tests.support.memory_provider.books import books_of


def let_pass(time: timedelta) -> None:
    """Move all times in the database back by this time."""
    for model in (Payment, Attempt, Operation, Saga):
        _move_back(model, time, "created_at", "updated_at")
    _move_back(ProviderCall, time, "started_at")
    _move_back(PostponedComparison, time, "postponed_at")
    _move_back(Reconciliation, time, "started_at", "finished_at", "compared_until", "listed_until")
    for order in books_of("twin").orders.values():
        order.submitted_at -= time


def _move_back(model, time, *names):
    model.objects.update(**{name: F(name) - time for name in names})
