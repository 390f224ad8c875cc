"""Compare payments that we know with the provider's books.

Nothing is corrected here. Our books are read before and after the provider is asked. They are compared only
if nothing moved in between.
"""

from collections.abc import Callable
from datetime import datetime

from checkout.payments.models import Difference, PostponedComparison, ProviderAccount, Reconciliation
from checkout.reconciliation.changed import changed_payments, differing_payments, postponed_payments
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
    """Compare payments that changed in ``span``, and those that earlier runs left. Return the differences.

    ``run`` gets the counts, and the time until which all changes were compared, which is not beyond a payment
    for which the provider gave no answer. After ``PATIENCE`` of these the run gives up.
    """
    comparison = _Comparison(account, run, span)
    left = comparison.postponed | differing_payments(account)
    for pk in sorted(left):
        if should_stop() or run.unanswered >= PATIENCE:
            return comparison.seen
        comparison.compare(pk)
    for number, (changed_at, pk) in enumerate(changed_payments(account, span.since), start=1):
        if should_stop() or run.unanswered >= PATIENCE:
            return comparison.seen
        if pk not in left:
            comparison.compare(pk, changed_at)
        if not run.unanswered:
            run.compared_until = span.mark(changed_at)
        if number % SAVE_EVERY == 0:
            run.save()
    if not run.unanswered:
        run.compared_until = span.mark(span.until)
    return comparison.seen


class _Comparison:
    """The comparison of one payment after the other. ``seen`` has the differences."""

    def __init__(self, account: ProviderAccount, run: Reconciliation, span: Span) -> None:
        self.seen: list[Difference] = []
        self.postponed = postponed_payments(account)
        self._account, self._run, self._span = account, run, span

    def compare(self, pk: int, changed_at: datetime | None = None) -> None:
        """Compare a payment. ``changed_at`` is None if it was left by an earlier run."""
        before = our_books(pk, self._account)
        if before.is_in_progress:
            return self._postpone(pk, changed_at)
        try:
            theirs = {code: told(self._account, code, before.currency).position for code in before.attempts}
        except Unanswered:
            self._run.unanswered += 1
            return None
        if our_books(pk, self._account) != before:
            return self._postpone(pk, changed_at)
        self._run.compared += 1
        self._run.untold += sum(position is None for position in theirs.values())
        self.seen += record(self._account, pk, compare(before, theirs))
        if pk in self.postponed:
            PostponedComparison.objects.filter(account=self._account, payment_id=pk).delete()
        return None

    def _postpone(self, pk: int, changed_at: datetime | None) -> None:
        """Leave a payment to the next run, which examines the latest changes again in any case."""
        self._run.in_progress += 1
        if changed_at is not None and changed_at < self._span.until:
            PostponedComparison.objects.get_or_create(account=self._account, payment_id=pk)
