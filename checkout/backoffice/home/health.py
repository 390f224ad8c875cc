"""The health of the systems that payments need: providers, broker, outbox, webhooks and timers."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import DatabaseError, InterfaceError
from django.template.defaultfilters import pluralize
from django.urls import reverse
from django.utils import timezone

from checkout.backoffice.display.values import age, duration_text, quantity_text
from checkout.backoffice.home.late_work import LATE, late_messages
from checkout.backoffice.rights.merchants import merchants_of
from checkout.database.owners import databases
from checkout.payments.models import HourlyFigure, ProviderCall, RetentionWalk
from checkout.payments.providers.base import Outcome
from checkout.webhooks.deliveries import late_deliveries
from checkout.webhooks.models import WebhookEndpoint
from messaging.registry import is_connected

# The number of the latest requests to providers that are examined, and their greatest age.
LATEST_CALLS = 200
LATELY = timedelta(days=1)
# After this time, a request without an answer counts as unanswered.
ANSWERED_WITHIN = timedelta(minutes=1)
# The share of the latest requests that an account must have answered to count as healthy.
MOST_ANSWERED = 0.98
# A relay updates the figures twice a minute.
COUNTED_WITHIN = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Health:
    """The state of one system in words, and a table of details for users who may view that table."""

    name: str
    words: str
    is_well: bool
    address: str = ""


def health_for(user: Any) -> list[Health]:
    """Return the health of all systems, with links to the tables that the user may view.

    The list is empty for users who see only some merchants, because health is not limited to a merchant.
    """
    return list(_health(user)) if merchants_of(user) is None else []


def _health(user: Any) -> Iterator[Health]:
    yield from _providers(_table(user, "payments", "providercall"))
    yield _broker()
    yield _outbox(_table(user, "payments", "outboxmessage"))
    yield _webhooks(_table(user, "webhooks", "delivery"))
    yield _relay()


def _table(user: Any, app: str, model: str) -> str:
    may_view = user.has_perm(f"{app}.view_{model}")
    return reverse(f"admin:{app}_{model}_changelist") if may_view else ""


def _providers(address: str) -> Iterator[Health]:
    """Yield a line for each provider account that was called lately."""
    calls = ProviderCall.objects.select_related("attempt__provider_account").order_by("-pk")[:LATEST_CALLS]
    since = timezone.now() - LATELY
    by_account: dict[str, list[ProviderCall]] = defaultdict(list)
    for call in calls:
        if call.started_at >= since:
            by_account[call.attempt.provider_account.code].append(call)
    if not by_account:
        yield Health("Providers", "not called since yesterday", is_well=True, address=address)
    for account, lately in sorted(by_account.items()):
        yield _provider(f"Provider {account}", lately, address)


def _provider(name: str, calls: Sequence[ProviderCall], address: str) -> Health:
    now = timezone.now()
    ended = [call for call in calls if call.finished_at or call.started_at < now - ANSWERED_WITHIN]
    answered = [call for call in ended if call.finished_at and call.outcome != Outcome.UNKNOWN]
    if not ended:
        return Health(name, "is being called for the first time today", is_well=True, address=address)
    words = f"{len(answered)} of the latest {quantity_text(len(ended), 'request')} answered"
    if answered:
        took = _median([call.finished_at - call.started_at for call in answered if call.finished_at])
        words += f", half within {duration_text(took)}"
    words += (
        f", the last one {age(calls[0].started_at)} ago"
        if calls[0].started_at < now - ANSWERED_WITHIN
        else ""
    )
    return Health(name, words, len(answered) >= MOST_ANSWERED * len(ended), address)


def _median(durations: Sequence[timedelta]) -> timedelta:
    return sorted(durations)[len(durations) // 2]


def _broker() -> Health:
    is_there = is_connected()
    if is_there is None:
        return Health("Broker", "not needed by this process so far", is_well=True)
    return Health("Broker", "connected" if is_there else "away: this process reconnects by itself", is_there)


def _outbox(address: str) -> Health:
    for database in databases():
        try:
            late = late_messages(database)
            oldest = late.first()
            count = late.count() if oldest else 0
        except (DatabaseError, InterfaceError):
            return Health("Messages", f"the database of {database} cannot be read", is_well=False)
        if oldest:
            verb = pluralize(count, "waits,wait")
            words = f"{quantity_text(count, 'message')} {verb}, the first for {age(oldest.available_at)}"
            return Health("Messages", words, is_well=False, address=address)
    return Health("Messages", "none waits", is_well=True, address=address)


def _webhooks(address: str) -> Health:
    late = late_deliveries(timezone.now() - LATE).order_by("next_try_at")
    oldest = late.first()
    paused = WebhookEndpoint.objects.filter(
        paused_until__gt=timezone.now(), state=WebhookEndpoint.State.ENABLED
    ).count()
    words = "sent on time"
    if oldest is not None and oldest.next_try_at is not None:
        count = late.count()
        words = f"{count} {pluralize(count, 'waits,wait')}, the first for {age(oldest.next_try_at)}"
    if paused:
        words += (
            f"; {quantity_text(paused, 'endpoint')} paused, because {pluralize(paused, 'it,they')} failed"
        )
    return Health("Webhooks", words, oldest is None and not paused, address)


def _relay() -> Health:
    walk = RetentionWalk.objects.filter(table=HourlyFigure._meta.db_table).first()
    if walk is None:
        return Health("Timers", "no relay has run yet", is_well=False)
    is_well = walk.began_at > timezone.now() - COUNTED_WITHIN
    words = "on time" if is_well else f"the figures were last counted {age(walk.began_at)} ago: no relay runs"
    return Health("Timers", words, is_well)
