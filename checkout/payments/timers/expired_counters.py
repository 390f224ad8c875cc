"""Delete rows that are no longer counted: cards that were tried, log-ins, failures, and expired sessions."""

from axes.models import AccessAttempt, AccessLog
from django.contrib.sessions.models import Session
from django.db.models import Q

from checkout.conf import conf
from checkout.payments.models import CardTrial
from checkout.payments.timers.table_walk import ROWS, delete_expired
from messaging.outbox.clock import server_time_now


def delete_expired_counters() -> int:
    """Delete counters that are older than the longest window, in batches. Return the number of rows."""
    now = server_time_now()
    long_ago = now - conf.retention
    failures = AccessAttempt.objects.filter(attempt_time__lt=now - conf.login_lock)
    sessions = Session.objects.filter(expire_date__lt=now).order_by("expire_date")
    rows: int = (
        delete_expired(CardTrial.objects.all(), Q(answered_at__lt=long_ago), "answered_at", long_ago)
        + delete_expired(AccessLog.objects.all(), Q(attempt_time__lt=long_ago), "attempt_time", long_ago)
        + AccessAttempt.objects.filter(pk__in=list(failures.values_list("pk", flat=True)[:ROWS])).delete()[0]
        + Session.objects.filter(pk__in=list(sessions.values_list("pk", flat=True)[:ROWS])).delete()[0]
    )
    return rows
