"""Reconcile, and return the sums that differ."""

from django.utils import timezone

from tests.reconciliation.conftest import LONG_AGO
from tests.support.reconciling import reconcile


def found(differences):
    return {(difference.kind, difference.ours_minor, difference.theirs_minor) for difference in differences}


def again():
    """Compare all payments again, even those that have not changed since the last run."""
    return found(reconcile(since=timezone.now() - 2 * LONG_AGO))
