"""Count payments by the hour, so that reading a month's figures costs the same for any number of payments.

A round reads the events since the last round, and counts again the hours of the payments that have changed.
An hour is counted from the rows of its payments, not from the events, so counting it again does no harm.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import takewhile

from django.db import transaction
from django.db.models import Aggregate, Count, DurationField, ExpressionWrapper, F, Q, QuerySet, Sum

from checkout.payments.models import Attempt, Event, HourlyFigure, Operation, Payment
from checkout.payments.models.figures import (
    DURATIONS,
    LONGER,
    REFUSED_BECAUSE,
    TOOK,
    TOOK_WITH_CHALLENGE,
    Figure,
)
from checkout.payments.providers.base import RefusalReason
from checkout.payments.timers.table_walk import ROWS, locked_walk
from checkout.payments.timers.timer import NOTHING, Work
from checkout.states import PAID, AttemptState, PaymentState
from messaging.outbox.clock import server_time_now

HOUR = timedelta(hours=1)
# An event may be committed after others with greater keys. Until this time is over, events are read again.
COMMITTED_WITHIN = timedelta(seconds=30)
WENT_BACK = (Operation.Kind.REFUND, Operation.Kind.CHARGE_BACK)
# The merchant, the currency and the name of a figure.
_Key = tuple[int, str, str]


@transaction.atomic
def count_changed_hours() -> Work:
    """Count the hours of payments that have changed. Return the number of these hours.

    ``last_pk`` of the walk is the last event that need not be read again. ``began_at`` is the time of the
    round: the figures are correct as of then.
    """
    walk = locked_walk(HourlyFigure._meta.db_table)
    if walk is None:
        return NOTHING
    news = Event.objects.order_by("pk").filter(pk__gt=walk.last_pk)
    events = list(news.values_list("pk", "payment_id", "created_at")[:ROWS])
    hours = _hours_of({payment for _, payment, _ in events})
    for hour in hours:
        _count(hour)
    now = server_time_now()
    settled = [pk for pk, _, _ in takewhile(lambda event: event[2] < now - COMMITTED_WITHIN, events)]
    walk.is_at_end = len(events) < ROWS
    walk.last_pk, walk.began_at = max(settled, default=walk.last_pk), now
    walk.save()
    return Work(len(hours), has_more=bool(settled) and not walk.is_at_end)


def _hours_of(payments: Collection[int]) -> set[datetime]:
    """Return the hours in which these payments, or their refunds and charge-backs, are counted."""
    made = Payment.objects.filter(pk__in=payments).values_list("created_at", flat=True)
    back = Operation.objects.order_by().filter(payment__in=payments, kind__in=WENT_BACK)
    return {_hour_of(at) for at in (*made.order_by(), *back.values_list("created_at", flat=True))}


def _hour_of(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _count(hour: datetime) -> None:
    """Replace the figures of an hour."""
    figures = Counter[_Key]()
    span = (hour, hour + HOUR - timedelta(microseconds=1))
    payments = Payment.objects.filter(created_at__range=span)
    attempts = Attempt.objects.filter(payment__created_at__range=span).annotate(took=_TOOK)
    back = Operation.objects.filter(kind__in=WENT_BACK, created_at__range=span, state=Operation.State.DONE)
    for counted in (
        _counted(payments, "", _OF_PAYMENTS),
        _counted(attempts, "payment__", _OF_ATTEMPTS),
        _counted(back, "payment__", _OF_MONEY_BACK),
    ):
        figures.update(dict(counted))
    HourlyFigure.objects.filter(hour=hour).delete()
    HourlyFigure.objects.bulk_create(
        HourlyFigure(hour=hour, merchant_id=merchant, currency=currency, name=name, value=value)
        for (merchant, currency, name), value in figures.items()
        if value
    )


def _counted(
    rows: QuerySet[Payment] | QuerySet[Attempt] | QuerySet[Operation],
    to_payment: str,
    figures: Mapping[str, Aggregate],
) -> Iterator[tuple[_Key, int]]:
    merchant, currency = f"{to_payment}merchant", f"{to_payment}currency"
    for group in rows.order_by().values(merchant, currency).annotate(**figures):
        for name in figures:
            yield (group[merchant], group[currency], name), group[name] or 0


_IS_PAID = Q(state__in=(*PAID, PaymentState.REFUNDED, PaymentState.CHARGED_BACK))
_OF_PAYMENTS: Mapping[str, Aggregate] = {
    Figure.CREATED: Count("pk"),
    Figure.AUTHORISED: Count("pk", filter=Q(held_since__isnull=False)),
    Figure.PAID: Count("pk", filter=_IS_PAID),
    Figure.PAID_MINOR: Sum("amount_minor", filter=_IS_PAID),
    Figure.HELD: Count("pk", filter=Q(answer_tier=Payment.AnswerTier.HELD)),
    Figure.PUSHED: Count("pk", filter=Q(answer_tier=Payment.AnswerTier.PUSHED)),
    Figure.POLLED: Count("pk", filter=Q(answer_tier=Payment.AnswerTier.POLLED)),
}
_IS_APPROVED, _IS_REFUSED = Q(state=AttemptState.AUTHORISED), Q(state=AttemptState.REFUSED)
_HAD_CHALLENGE = Q(challenge_count__gt=0)
_TOOK = ExpressionWrapper(F("payment__held_since") - F("created_at"), output_field=DurationField())


def _durations(name: str, which: Q) -> Iterator[tuple[str, Count]]:
    """Yield a count for each duration of approved attempts."""
    longer_than = timedelta()
    for milliseconds in DURATIONS:
        limit = timedelta(milliseconds=milliseconds)
        is_within = Q(took__gte=longer_than, took__lt=limit)
        yield f"{name}{milliseconds}", Count("pk", filter=_IS_APPROVED & which & is_within)
        longer_than = limit
    yield f"{name}{LONGER}", Count("pk", filter=_IS_APPROVED & which & Q(took__gte=longer_than))


_OF_ATTEMPTS: Mapping[str, Aggregate] = {
    Figure.TRIED: Count("payment", distinct=True),
    Figure.APPROVED: Count("pk", filter=_IS_APPROVED),
    Figure.REFUSED: Count("pk", filter=_IS_REFUSED),
    Figure.CHALLENGED: Count("pk", filter=_HAD_CHALLENGE),
    Figure.CHALLENGE_PASSED: Count("pk", filter=_HAD_CHALLENGE & _IS_APPROVED),
    Figure.CHALLENGE_FAILED: Count("pk", filter=_HAD_CHALLENGE & _IS_REFUSED),
    **{
        f"{REFUSED_BECAUSE}{reason}": Count("pk", filter=_IS_REFUSED & Q(refusal_reason=reason))
        for reason in RefusalReason
    },
    **dict(_durations(TOOK, ~_HAD_CHALLENGE)),
    **dict(_durations(TOOK_WITH_CHALLENGE, _HAD_CHALLENGE)),
}
_IS_REFUND, _IS_DISPUTE = Q(kind=Operation.Kind.REFUND), Q(kind=Operation.Kind.CHARGE_BACK)
_OF_MONEY_BACK: Mapping[str, Aggregate] = {
    Figure.REFUNDS: Count("pk", filter=_IS_REFUND),
    Figure.REFUNDED_MINOR: Sum("amount_minor", filter=_IS_REFUND),
    Figure.DISPUTES: Count("pk", filter=_IS_DISPUTE),
    Figure.DISPUTED_MINOR: Sum("amount_minor", filter=_IS_DISPUTE),
}
