"""Correct times in the future, which processes with a fast clock have written."""

from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections, transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Least, Now

from checkout.payments.models import OutboxMessage, ProviderNotification, Saga
from checkout.payments.timers.timer import BATCH


def correct_clock_skew(database: str = DEFAULT_DB_ALIAS) -> int:
    """Move times in the future back by the error of the clock that wrote them.

    Otherwise relays, which use the database's clock, would process these rows too late. This concerns
    unpublished messages, notifications that were not processed, and the deadlines of sagas. A delayed message
    and a waiting saga still wait for the intended time. SQLite has no clock of its own, so nothing is done
    there.
    """
    if connections[database].vendor != "postgresql":
        return 0
    outbox = OutboxMessage.objects.using(database).filter(published_at__isnull=True)
    corrected = _correct(outbox, due="available_at", written="created_at")
    if database == DEFAULT_DB_ALIAS:
        unseen = ProviderNotification.objects.filter(state=ProviderNotification.State.RECEIVED)
        corrected += _correct(unseen, due="next_try_at", written="received_at")
        corrected += _correct(
            Saga.objects.all(), due="deadline_at", written="updated_at", looked_at="look_at"
        )
    return corrected


def _correct(rows: QuerySet[Any], *, due: str, written: str, looked_at: str = "") -> int:
    """Correct the rows of a table. The column ``looked_at``, if given, is set to ``due`` or earlier."""
    right = F(due) - (F(written) - Now())
    changes = {due: right, written: Now()}
    if looked_at:
        changes[looked_at] = Least(F(looked_at), right)
    # The second condition on times implies the first one. The first and the order are there for the index.
    ahead = rows.filter(**{f"{looked_at or due}__gt": Now(), f"{written}__gt": Now()}).order_by(
        looked_at or due
    )
    if ahead.values_list("pk").first() is None:
        return 0
    with transaction.atomic(using=rows.db):
        # Rows that another transaction has locked are skipped: it may be correcting them already.
        numbers = list(ahead.select_for_update(skip_locked=True).values_list("pk", flat=True)[:BATCH])
        found = rows.model._default_manager.using(rows.db).filter(pk__in=numbers)
        return int(found.update(**changes))
