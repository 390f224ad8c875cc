"""The signal about a review for the purchase of the reviewed attempt.

A payment may have several attempts. Each purchase only goes on with the money of its own attempt.
"""

from checkout.payments.models import Attempt, Saga
from checkout.payments.sagas.signals import Heard, Signal
from checkout.payments.totals import sums_of_attempt
from checkout.states import AttemptState


def news_of_own_money(saga: Saga, name: Heard) -> Heard:
    """Return the signal that a saga's parent gets instead of ``name``.

    A review finds a payment held if any of its attempts holds money, perhaps not the reviewed one. An
    attempt with money is authorised, and stays so even if all the money has gone back.
    """
    if name is not Signal.REVIEW_HELD:
        return name
    attempt = Attempt.objects.get(pk=saga.attempt_id)
    if attempt.state != AttemptState.AUTHORISED:
        return Signal.HELD_ELSEWHERE
    sums = sums_of_attempt(attempt)
    has_gone_back = sums.captured > 0 and not sums.left_to_charge_back
    return Signal.REVIEW_GIVEN_BACK if has_gone_back else name
