"""Reconcile the accounts at once, as the command does."""

from datetime import datetime

from checkout.payments.models import Difference, ProviderAccount
from checkout.reconciliation import reconcile_account


def reconcile(account: str | None = None, since: datetime | None = None) -> list[Difference]:
    """Compare one account (by code) or all. Return the differences that were found.

    Payments that changed after ``since`` are compared; without ``since``, those that changed after the last
    run. Payments with open differences are always compared. Raises ``ProviderAccount.DoesNotExist``.
    """
    accounts = [ProviderAccount.objects.get(code=account)] if account else ProviderAccount.objects.all()
    return [difference for found in accounts for difference in reconcile_account(found, since)[1]]
