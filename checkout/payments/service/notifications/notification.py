"""Apply a provider's notification to the attempts that it is about, now or at a later try."""

from collections.abc import Iterable
from datetime import timedelta

import structlog
from django.utils import timezone

from checkout.conf import conf
from checkout.payments.messages import ApplyNotification
from checkout.payments.models import Attempt, ProviderNotification
from checkout.payments.providers.base import Notification
from checkout.payments.providers.statements import Statements, from_json
from checkout.payments.service.notifications.statement import StatementResult, apply_statements
from checkout.payments.service.service import service
from checkout.privacy.scrubbing import REASON_LENGTH, scrub_text
from messaging.compiled_queries import Compiled, update_in_batch
from messaging.worker.service import Message

log = structlog.get_logger(__name__)

State = ProviderNotification.State
UNDECIDED = (State.RECEIVED, State.UNMATCHED)
# The most notifications about one unknown order that wait for another try, and the most tries of a hint.
MOST_WAITING = 5
MOST_TRIES_OF_HINT = 2
# States of statements, the worst first. A state that is missing here is worse. The notification gets the
# worst state.
WORST_FIRST = (State.CONFLICTED, State.UNMATCHED, State.APPLIED)


@service.handles(ApplyNotification, free=True)
def apply_notification(command: ApplyNotification, message: Message) -> None:
    """Apply every statement of a stored notification, once, in the order in which the provider made them.

    Nothing is done if staff dealt with the notification while this command was under way.
    """
    row = _NOTIFICATION.get(command.notification)
    if row.state not in UNDECIDED or _is_given_up(row) or row.dealt_with_at is not None:
        return
    _finish(row, _apply(row, from_json(row.statements), message))


def _is_given_up(row: ProviderNotification) -> bool:
    """Return True for a hint about an unknown order that is not tried again. Only an excerpt is kept."""
    is_open = row.state == State.RECEIVED or row.next_try_at is not None
    return not (is_open or row.is_proven or row.payment_id)


def _apply(row: ProviderNotification, statements: Statements, message: Message) -> list[StatementResult]:
    """Apply the statements that were stored, order by order. Statements that were not are left to staff."""
    by_order: dict[str, list[Notification]] = {}
    for statement in statements.first:
        by_order.setdefault(statement.order_code, []).append(statement)
    attempts = _locked_attempts(row, by_order)
    row.payment = next((attempt.payment for attempt in attempts.values()), None)
    results = []
    for order_code, about_it in by_order.items():
        attempt = attempts.get(order_code)
        if attempt is None and not all(statement.is_known for statement in about_it):
            order = f"the order {order_code}, which is none of this account" if order_code else "no order"
            results.append(StatementResult(State.UNREADABLE, f"an event of {order}, cannot be read"))
        elif attempt is None:
            results.append(StatementResult(State.UNMATCHED, f"this account has no order {order_code}"))
        else:
            results += apply_statements(attempt, about_it, message, row)
    if statements.count > len(statements.first):
        reason = f"has {statements.count} statements, of which the first {len(statements.first)} were applied"
        results.append(StatementResult(State.UNREADABLE, reason))
    return results


def _locked_attempts(row: ProviderNotification, order_codes: Iterable[str]) -> dict[str, Attempt]:
    """Lock payments and attempts, sorted by payment, so that two notifications cannot deadlock.

    Sorting by order code is not enough, because a payment may have several attempts.
    """
    codes = list(order_codes)
    if len(codes) > 1:
        known = Attempt.objects.filter(order_code__in=codes, provider_account_id=row.account_id)
        codes = list(known.order_by("payment_id", "pk").values_list("order_code", flat=True))
    attempts = [each for code in codes if (each := _ATTEMPT.first(code, row.account_id)) is not None]
    # Two attempts may belong to one payment. Both must share one instance of the payment, because the
    # instance counts the payment's events.
    payments = {attempt.payment_id: attempt.payment for attempt in reversed(attempts)}
    for attempt in attempts:
        attempt.payment = payments[attempt.payment_id]
    return {attempt.order_code: attempt for attempt in attempts}


_NOTIFICATION = Compiled(
    lambda pk: (
        ProviderNotification.objects.select_for_update(of=("self",)).select_related("account").filter(pk=pk)
    )
)
_ATTEMPT = Compiled(
    lambda code, account: (
        Attempt.objects.select_for_update(of=("payment", "self"), no_key=True)
        .select_related("payment__merchant", "provider_account")
        .filter(order_code=code, provider_account_id=account)
    )
)


def _finish(row: ProviderNotification, results: list[StatementResult]) -> None:
    worst = min(results, key=lambda result: _rank(result.state), default=StatementResult(State.APPLIED))
    row.state = worst.state
    row.reason = scrub_text(worst.reason)[:REASON_LENGTH]
    row.next_try_at = None
    if worst.state == State.UNMATCHED:
        _plan_next_try(row)
    else:
        row.applied_at = timezone.now()
    names = ["state", "reason", "payment", "applied_at", "tries", "next_try_at"]
    if _is_given_up(row):
        row.body, row.statements = row.body[: ProviderNotification.EXCERPT], None
        names += ["body", "statements"]
    update_in_batch(row, *names)
    if worst.state != State.APPLIED:
        # Anybody can send hints, so a faulty hint is not worth an alarm.
        report = log.error if row.is_proven else log.warning
        report("notification needs attention", notification=row.pk, state=row.state, reason=row.reason)


def _rank(state: State) -> int:
    return WORST_FIRST.index(state) if state in WORST_FIRST else -1


def _plan_next_try(row: ProviderNotification) -> None:
    """Plan another try, when the order may be known. After the last try, the notification is left to staff.

    Only a few notifications about one order wait at a time. Hints and proven notifications are counted
    separately.
    """
    delays = conf.inquiry_delays if row.is_proven else conf.inquiry_delays[:MOST_TRIES_OF_HINT]
    if row.tries < len(delays) and _others_waiting(row) < MOST_WAITING:
        row.next_try_at = timezone.now() + timedelta(seconds=delays[row.tries])
        row.tries += 1


def _others_waiting(row: ProviderNotification) -> int:
    """Return how many other notifications wait for the same order, which their ``reason`` names."""
    others = ProviderNotification.objects.filter(
        next_try_at__isnull=False,
        account=row.account_id,
        state=State.UNMATCHED,
        reason=row.reason,
        is_proven=row.is_proven,
    )
    return others.exclude(pk=row.pk)[:MOST_WAITING].count()
