"""The news of a review for the purchase of the attempt that was reviewed.

A payment may have several attempts. Each purchase only goes on with the money of its own.
"""

from checkout.payments.models import Attempt, Saga
from checkout.payments.sagas.signals import Signal
from checkout.states import AttemptState


def news_of_own_money(saga: Saga, name: Signal) -> Signal:
    """Return the signal that a saga's parent gets instead of ``name``.

    A review finds a payment held if any of its attempts holds money. One that does is authorised.
    """
    if name is not Signal.REVIEW_HELD:
        return name
    is_own = Attempt.objects.filter(pk=saga.attempt_id, state=AttemptState.AUTHORISED).exists()
    return name if is_own else Signal.HELD_ELSEWHERE
