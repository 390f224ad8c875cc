"""The differences of an order's sums, once staff have settled its payment."""

from django.utils import timezone

from checkout.payments.books.figures import TheirBooks, may_hold_money_beside
from checkout.payments.models import Attempt, Difference, PostponedComparison
from checkout.payments.models.reconciliation import OPEN_DIFFERENCE
from checkout.payments.sagas.settlement.settleable import OF_AN_ATTEMPT

Kind = Difference.Kind

_ENTERED = (Kind.CAPTURED, Kind.REFUNDED, Kind.CHARGED_BACK)
_NOTE = "Staff settled the payment: of this order, nothing is kept."


def settle_differences(attempt: Attempt, theirs: TheirBooks, by: str) -> None:
    """Resolve the differences of the sums that staff have entered.

    The provider may not tell its sums any more, so that no comparison would. One that does opens them again.
    A payment that was restored is locked no longer.

    An order whose money all went back, because another one pays, is entered as one without a capture. Its
    differences never end, so they count as dealt with, until another sum is found.
    """
    PostponedComparison.objects.filter(payment=attempt.payment_id, is_lock=True).update(is_lock=False)
    found = Difference.objects.filter(
        OPEN_DIFFERENCE, account=attempt.provider_account_id, order_code=attempt.order_code
    )
    if theirs.has_money:
        found.filter(kind__in=_ENTERED).update(resolved_at=timezone.now())
        return
    sums = {difference.kind: difference.theirs_minor for difference in found}
    captured = sums.get(Kind.CAPTURED, 0)
    if not captured or not may_hold_money_beside(attempt):
        return
    if captured == sums.get(Kind.REFUNDED, 0) + sums.get(Kind.CHARGED_BACK, 0):
        found.filter(kind__in=OF_AN_ATTEMPT).update(
            dealt_with_at=timezone.now(), dealt_with_by=by[:150], dealt_with_note=_NOTE
        )
