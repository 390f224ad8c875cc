"""Requests to providers that may still be on their way, or that may have had an effect."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q, QuerySet

from checkout.conf import conf
from checkout.payments.messages import ProviderOutcome
from checkout.payments.models.payment import Attempt, ProviderCall
from checkout.payments.providers.base import Outcome, Verb
from messaging.outbox.clock import server_time

UNANSWERED = ("", Outcome.UNKNOWN, Outcome.PENDING)
# Outcomes after which the same request may be made again.
TO_BE_SENT_AGAIN = (ProviderOutcome.NOT_SENT, ProviderOutcome.NOT_SHOWN)
MODIFICATIONS = (Verb.CAPTURE, Verb.VOID, Verb.REFUND)


def authorise_key(attempt: Attempt) -> str:
    """Return the idempotency key of the attempt's first message."""
    return f"{attempt.order_code}:authorise"


def completion_key(attempt: Attempt) -> str:
    """Return the idempotency key of the second message, after the attempt's latest challenge."""
    return f"{attempt.order_code}:challenge:{attempt.challenge_count}"


def may_yet_arrive(calls: QuerySet[ProviderCall]) -> bool:
    """Return True if one of the requests may still reach the provider: it is recent and unanswered."""
    since = server_time() - conf.settling_time
    return calls.filter(outcome__in=UNANSWERED, started_at__gt=since).exists()


def may_yet_show(calls: QuerySet[ProviderCall]) -> bool:
    """Return True if one of the requests may have arrived, or may yet, although a query does not show it.

    Queries are answered from copies of the provider's books, and modifications are carried out later than
    they are accepted. Source: Worldpay, Inquiry requests (wait at least 5 minutes after the transaction, or
    after a modification) and Manage your payments (modifications take typically 15 minutes).
    """
    arrived = server_time() - conf.settling_time
    is_modification = Q(verb__in=MODIFICATIONS)
    is_recent = Q(is_modification, started_at__gt=arrived - conf.modification_lag) | Q(
        ~is_modification, started_at__gt=arrived - conf.order_lag
    )
    return calls.filter(is_recent, outcome__in=UNANSWERED).exists()


def time_to_show() -> timedelta:
    """Return the time within which queries show any request that arrives at all. See ``may_yet_show``."""
    return conf.settling_time + max(conf.order_lag, conf.modification_lag)


def may_be_completed(attempt: Attempt) -> bool:
    """Return True if the second message of a challenge may have reached the provider.

    Then the provider may have authorised the order even if it answers that it cannot find it.
    """
    calls = attempt.provider_calls.filter(verb=Verb.COMPLETE_CHALLENGE)
    return calls.exclude(outcome=Outcome.NOT_SENT).exists()


@dataclass(frozen=True, slots=True)
class CallsInFlight:
    """An attempt's requests, or the one with ``key``, as they stood just before the provider was asked.

    An answer describes the order at the time of the inquiry. "No such order" is inconclusive while a request
    may not show yet, and also if a request was sent or answered before the answer is looked at.
    """

    key: str
    calls: tuple[tuple[str, str, datetime], ...]
    may_yet_show: bool

    def is_over(self, attempt: Attempt) -> bool:
        """Return True if all requests would have shown in the inquiry, and none has changed since."""
        return not self.may_yet_show and _calls(attempt, self.key) == self.calls


def under_way(attempt: Attempt, key: str = "") -> CallsInFlight:
    """Return the requests that are under way. Call this before the provider is asked about them."""
    calls = attempt.provider_calls.all()
    return CallsInFlight(key, _calls(attempt, key), may_yet_show(calls.filter(key=key) if key else calls))


def _calls(attempt: Attempt, key: str) -> tuple[tuple[str, str, datetime], ...]:
    calls = attempt.provider_calls.order_by("pk").values_list("key", "outcome", "started_at")
    return tuple(calls.filter(key=key) if key else calls)
