"""Compare payments that we know with the provider's books.

Nothing is corrected here. Our books are read before and after the provider is asked. They are compared only
if nothing moved in between.
"""

from collections.abc import Callable

from checkout.payments.models import Difference, ProviderAccount, Reconciliation
from checkout.reconciliation.changed import changed_payments, differing_payments
from checkout.reconciliation.comparison import compare
from checkout.reconciliation.differences import record
from checkout.reconciliation.our_books import our_books
from checkout.reconciliation.provider_books import Unanswered, told
from checkout.reconciliation.span import Span

SAVE_EVERY = 100
# Questions without an answer after which a run gives up.
PATIENCE = 5


def compare_payments(
    account: ProviderAccount,
    run: Reconciliation,
    span: Span,
    should_stop: Callable[[], bool],
) -> list[Difference]:
    """Compare payments that changed in ``span``, and those that differed before. Return the differences.

    ``run`` gets the counts, and the time until which all changes were compared, which is not beyond a payment
    for which the provider gave no answer. After ``PATIENCE`` of these the run gives up.
    """
    seen: list[Difference] = []
    differing = differing_payments(account)
    for pk in differing:
        if should_stop() or run.unanswered >= PATIENCE:
            return seen
        seen += _compare(account, run, pk)
    for number, (changed_at, pk) in enumerate(changed_payments(account, span.since), start=1):
        if should_stop() or run.unanswered >= PATIENCE:
            return seen
        if pk not in differing:
            seen += _compare(account, run, pk)
        if not run.unanswered:
            run.compared_until = span.mark(changed_at)
        if number % SAVE_EVERY == 0:
            run.save()
    if not run.unanswered:
        run.compared_until = span.mark(span.until)
    return seen


def _compare(account: ProviderAccount, run: Reconciliation, pk: int) -> list[Difference]:
    before = our_books(pk, account)
    if before.is_in_progress:
        run.in_progress += 1
        return []
    try:
        theirs = {code: told(account, code, before.currency).position for code in before.attempts}
    except Unanswered:
        run.unanswered += 1
        return []
    if our_books(pk, account) != before:
        run.in_progress += 1
        return []
    run.compared += 1
    run.untold += sum(position is None for position in theirs.values())
    return record(account, pk, compare(before, theirs))
