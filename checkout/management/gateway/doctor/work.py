"""Work that is late: messages in the outbox, timers, and dead letters."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, InterfaceError
from django.db.models import Count, Q, QuerySet
from django.template.defaultfilters import pluralize
from django.utils import timezone

from checkout.backoffice.display.values import quantity_text
from checkout.backoffice.home.late_work import LATE, late_messages
from checkout.database.availability import missing_file
from checkout.database.owners import databases
from checkout.management.gateway.output import Finding
from checkout.payments.events.log import unpublished_events
from checkout.payments.models import (
    DeadLetter,
    ProviderNotification,
    Saga,
)
from checkout.payments.models.messages import OPEN_LETTER
from checkout.payments.models.saga import UNFINISHED
from checkout.payments.sagas.purchase.data import STEPS_OF_YOUR_OWN
from checkout.payments.sagas.purchase.flow import Purchase
from checkout.webhooks.deliveries import late_deliveries
from checkout.webhooks.models import Delivery
from checkout.webhooks.sending.claims import not_signed

START_RELAY = "Start manage.py run_relay, or see its log."
MEND_REJECTION = (
    "Mend what the error names, such as the rights of a broker user. The relay goes on trying. After several "
    "rejections it makes the message a dead letter."
)
START_WEBHOOKS = "Start manage.py run_webhooks, or see its log."
LIST_THE_KEY = (
    "List the earlier SECRET_KEY in SECRET_KEY_FALLBACKS, or make new secrets in the back office "
    "(What needs attention)."
)


def findings() -> Iterator[Finding]:
    """Yield the findings."""
    for database in databases():
        yield _outbox(database)
    now = timezone.now()
    yield _events(now)
    flows = Saga.objects.filter(status=Saga.Status.RUNNING, look_at__lt=now - LATE)
    yield _timer("deadlines of flows", flows, "look_at")
    yield from _steps_not_configured()
    again = ProviderNotification.objects.filter(next_try_at__lt=now - LATE)
    yield _timer("notifications to try again", again, "next_try_at")
    yield _webhooks()
    yield _unsigned_webhooks()
    yield _dead_letters()


def _outbox(database: str) -> Finding:
    name = f"{database}: " if len(databases()) > 1 else ""
    unread = Finding("outbox", f"{name}cannot be read", "See the lines about this database.")
    if missing_file(database):
        return unread
    try:
        late = late_messages(database)
        count, oldest = late.count(), late.first()
    except (DatabaseError, InterfaceError):
        return unread
    if oldest is None:
        return Finding("outbox", f"{name}no message is late")
    failed = f", last error: {oldest.last_error}" if oldest.last_error else ""
    since = f"the first since {_time(oldest.available_at)}{failed}"
    text = f"{name}{quantity_text(count, 'message')} {pluralize(count, 'is,are')} late, {since}"
    return Finding("outbox", text, MEND_REJECTION if oldest.is_suspect else START_RELAY)


def _events(now: datetime) -> Finding:
    late = [event for event in unpublished_events() if event.created_at < now - LATE]
    if not late:
        return Finding("events", "none is late")
    return Finding(
        "events", f"some are not published, the first since {_time(late[0].created_at)}", START_RELAY
    )


def _timer(what: str, late: QuerySet[Any], due: str) -> Finding:
    if not (said := _late(late, due)):
        return Finding("timers", f"{what}: none is late")
    return Finding("timers", f"{what}: {said}", START_RELAY)


def _steps_not_configured() -> Iterator[Finding]:
    """Yield a finding about purchases at steps of the installation that are no longer configured."""
    try:
        known = Purchase().steps
    except ImproperlyConfigured:
        return  # a system check reports it
    unfinished = Saga.objects.filter(kind=Purchase.kind, status__in=UNFINISHED)
    own, undo = (Q(step__startswith=beginning) for beginning in STEPS_OF_YOUR_OWN)
    stray = unfinished.filter(own | undo).exclude(step__in=known)
    counts = stray.order_by("step").values_list("step").annotate(Count("pk"))
    if found := ", ".join(f"{step} ({count})" for step, count in counts):
        yield Finding(
            "flows",
            f"purchases stand at steps that are not configured: {found}",
            "Name their app in CHECKOUT_OWN_APPS again, with the step under its old name. Restart the "
            "checkout service, then try again in the back office what is parked.",
        )


def _webhooks() -> Finding:
    """Return the finding about late webhooks that only the sender delays."""
    if not (said := _late(late_deliveries(timezone.now() - LATE), "next_try_at")):
        return Finding("webhooks", "none is late")
    return Finding("webhooks", said, START_WEBHOOKS)


def _unsigned_webhooks() -> Finding:
    waiting = Delivery.objects.filter(not_signed()).count()
    if not waiting:
        return Finding("webhooks", "each can be signed")
    verb = pluralize(waiting, "is,are")
    text = f"{waiting} {verb} not sent, because the secrets of their endpoints cannot be read"
    return Finding("webhooks", text, LIST_THE_KEY)


def _dead_letters() -> Finding:
    waiting = DeadLetter.objects.filter(OPEN_LETTER).count()
    if not waiting:
        return Finding("dead", "no dead letter waits for staff")
    text = f"{quantity_text(waiting, 'dead letter')} {pluralize(waiting, 'waits,wait')} for staff"
    return Finding("dead", text, "See manage.py gateway dead-letters list.")


def _late(rows: QuerySet[Any], due: str) -> str:
    """Return in words the number of late rows and the time of the first; empty if none is late."""
    first = rows.order_by(due).values_list(due, flat=True).first()
    if first is None:
        return ""
    count = rows.count()
    return f"{count} {pluralize(count, 'is,are')} late, the first since {_time(first)}"


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}"
