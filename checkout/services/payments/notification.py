"""Apply a provider's notification: find what it is about, now or later."""

from collections.abc import Iterable
from datetime import timedelta

import structlog
from django.utils import timezone

from checkout.commands import ApplyNotification
from checkout.conf import conf
from checkout.errors import NotificationRejected
from checkout.messaging.service import Message
from checkout.models import Attempt, ProviderNotification
from checkout.providers.base import Notification
from checkout.providers.registry import get_provider
from checkout.scrubbing import scrub_text
from checkout.services.payments.service import service
from checkout.services.payments.statement import Finding, apply_statement
from checkout.statements import Compiled, update

log = structlog.get_logger(__name__)

State = ProviderNotification.State
UNDECIDED = (State.RECEIVED, State.UNMATCHED)
# Of several statements in one notification, what staff should hear of first.
WORST_FIRST = (State.CONFLICTED, State.UNMATCHED, State.APPLIED)


@service.command("payments.apply_notification")
def apply_notification(command: ApplyNotification, message: Message) -> None:
    """Apply every statement of a stored notification, once, in the order in which the provider made them."""
    row = _NOTIFICATION.get(command.notification)
    if row.state not in UNDECIDED:
        return
    try:
        statements = get_provider(row.account.opened()).parse_notification(row.body.encode())
    except NotificationRejected as error:
        log.error("stored notification cannot be read", notification=row.pk, account=row.account.code)
        _finish(row, [Finding(State.UNREADABLE, str(error))])
        return
    attempts = _locked_attempts(row, {statement.order_code for statement in statements})
    findings = [_apply(attempts.get(statement.order_code), statement, message) for statement in statements]
    row.payment = next((attempt.payment for attempt in attempts.values()), None)
    _finish(row, findings)


def _locked_attempts(row: ProviderNotification, order_codes: Iterable[str]) -> dict[str, Attempt]:
    """Lock all of them in one order, so that two notifications never wait for each other."""
    attempts = [_ATTEMPT.first(code, row.account_id) for code in sorted(order_codes)]
    return {attempt.order_code: attempt for attempt in attempts if attempt is not None}


_NOTIFICATION = Compiled(
    lambda pk: (
        ProviderNotification.objects.select_for_update(of=("self",)).select_related("account").filter(pk=pk)
    )
)
_ATTEMPT = Compiled(
    lambda code, account: (
        Attempt.objects.select_for_update(of=("self",), no_key=True)
        .select_related("payment", "provider_account")
        .filter(order_code=code, provider_account_id=account)
    )
)


def _apply(attempt: Attempt | None, statement: Notification, message: Message) -> Finding:
    if attempt is None:
        return Finding(State.UNMATCHED, f"this account has no order {statement.order_code}")
    return apply_statement(attempt, statement, message)


def _finish(row: ProviderNotification, findings: list[Finding]) -> None:
    worst = min(findings, key=lambda finding: _rank(finding.state), default=Finding(State.APPLIED))
    row.state = worst.state
    row.reason = scrub_text(worst.reason)[:200]
    row.next_try_at = None
    if worst.state == State.UNMATCHED:
        _plan_next_try(row)
    else:
        row.applied_at = timezone.now()
    update(row, "state", "reason", "payment", "applied_at", "tries", "next_try_at")
    if worst.state != State.APPLIED:
        log.error("notification needs attention", notification=row.pk, state=row.state, reason=row.reason)


def _rank(state: State) -> int:
    return WORST_FIRST.index(state) if state in WORST_FIRST else -1


def _plan_next_try(row: ProviderNotification) -> None:
    """Look again when the order may have become known; after the last time it is left to staff."""
    delays = conf.inquiry_delays
    if row.tries < len(delays):
        row.next_try_at = timezone.now() + timedelta(seconds=delays[row.tries])
        row.tries += 1
