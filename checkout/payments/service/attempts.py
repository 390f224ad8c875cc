"""The attempt that a command names, with all rows that a request needs, locked or not.

The payment is locked before the attempt: a change of an attempt or of an operation is an event of the
payment, and the events of a payment are numbered. PostgreSQL locks the rows of a join in the order of ``of``.
"""

from django.db.models import QuerySet

from checkout.payments.models import Attempt
from messaging.compiled_queries import Compiled
from messaging.worker.service import CommandRejected


def attempt_under_lock(order_code: str) -> Attempt:
    """Return the attempt, locked after its payment; raises ``CommandRejected`` if there is none."""
    return _known(_LOCKED.first(order_code), order_code)


def attempt_of(order_code: str) -> Attempt:
    """Return the attempt as it is now; raises ``CommandRejected`` if there is none."""
    return _known(_ATTEMPT.first(order_code), order_code)


def _with_what_is_sent(code: str) -> QuerySet[Attempt]:
    return Attempt.objects.select_related("payment__merchant", "provider_account", "saved_card").filter(
        order_code=code
    )


_ATTEMPT = Compiled(_with_what_is_sent)
_LOCKED = Compiled(
    lambda code: _with_what_is_sent(code).select_for_update(of=("payment", "self"), no_key=True)
)


def _known(attempt: Attempt | None, order_code: str) -> Attempt:
    if attempt is None:
        raise CommandRejected("attempt_not_found", f"There is no attempt {order_code}.")
    return attempt
