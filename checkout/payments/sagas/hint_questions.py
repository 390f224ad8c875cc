"""The delay before a hint makes us query the provider.

Anybody can send hints, and each query uses up the provider's quota. Therefore queries about one attempt are
made at growing intervals, like inquiries, and queries about one account are paced. While a query waits for
its turn, no second one is added: the answer to the first will be newer than all hints that arrive until then.
"""

from collections.abc import Iterable

from checkout.conf import conf
from checkout.payments.models import Attempt, Saga
from checkout.payments.sagas.asking import Asking
from checkout.payments.sagas.pauses import inquiry_delay
from checkout.rates import Pace

# The longest time for which a question waits for the account's turn. If it would take longer, the account is
# flooded with hints: the question is not asked, and reconciliation finds the hints that are true.
PATIENCE_SECONDS = 600.0

pace = Pace()


def seconds_until_question(attempt: Attempt, sagas: Iterable[Saga]) -> float | None:
    """Return the seconds until the provider is asked because of a hint; None if it is not to be asked.

    ``sagas`` are all sagas of the attempt.
    """
    asked = sum(saga.kind == Asking.kind and not saga.data.get("is_proven", True) for saga in sagas)
    own_turn = inquiry_delay(asked - 1) if asked else 0.0
    if own_turn is None:
        return None
    account = str(attempt.provider_account_id)
    turn = pace.seconds_until_turn(account, most=conf.max_questions_per_account, patience=PATIENCE_SECONDS)
    return None if turn is None else max(own_turn, turn)
