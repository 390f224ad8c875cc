"""Requests to providers that may still be on their way."""

from django.db.models import QuerySet

from checkout.conf import conf
from checkout.database.clock import database_now
from checkout.payments.models.payment import ProviderCall
from checkout.payments.providers.base import Outcome

UNANSWERED = ("", Outcome.UNKNOWN, Outcome.PENDING)


def may_yet_arrive(calls: QuerySet[ProviderCall]) -> bool:
    """Return True if one of the requests may still reach the provider: it is recent and unanswered."""
    since = database_now() - conf.settling_time
    return calls.filter(outcome__in=UNANSWERED, started_at__gt=since).exists()
