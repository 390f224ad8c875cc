"""Have the comparison of books look at payments that it may otherwise pass over."""

from checkout.conf import conf
from checkout.payments.models import Attempt, PostponedComparison
from checkout.payments.providers.base import EventKind, ProviderResult
from checkout.payments.totals import sums_of_attempt
from messaging.outbox.clock import server_time_now


def compare_books_again(attempt: Attempt) -> None:
    """Have the next comparisons of books include the payment although it may not change.

    If staff move money in the provider's portal, and the amount equals that of one of our operations, the
    event is attributed to ours. An event with the same content as an earlier one counts as its repetition.
    The comparisons go on until the provider's queries must show the difference.
    """
    row = PostponedComparison(
        account_id=attempt.provider_account_id,
        payment_id=attempt.payment_id,
        postponed_at=server_time_now() + conf.order_lag,
    )
    # In one statement, as a comparison may delete an earlier row at any moment. Its sums stay.
    PostponedComparison.objects.bulk_create(
        [row],
        update_conflicts=True,
        unique_fields=["account", "payment"],
        update_fields=["postponed_at"],
    )


def compare_if_beyond_ours(attempt: Attempt, result: ProviderResult) -> None:
    """Have the books compared if the answer tells of money that no operation of ours can explain.

    That is a charge-back, of which nobody may have notified us, and more captured than was authorised.
    """
    position = result.position
    disputed = position.charged_back if position is not None else None
    captured = position.captured if position is not None else None
    is_disputed = result.kind == EventKind.CHARGED_BACK or (disputed is not None and disputed.minor > 0)
    if captured is not None and captured.minor > attempt.payment.amount_minor:
        compare_books_again(attempt)
    elif is_disputed:
        ours = sums_of_attempt(attempt).charged_back
        if not ours or (disputed is not None and disputed.minor > ours):
            compare_books_again(attempt)
