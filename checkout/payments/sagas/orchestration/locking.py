"""Sagas under lock, until the transaction ends.

Rows are locked in one order: a parent saga before its children and their payment, the payment before its
attempt. A child's payment may be locked before the child, by a statement that locks the parent first.
"""

from collections.abc import Iterable

from django.db.models import Q

from checkout.payments.models import Attempt, Saga
from checkout.payments.sagas.orchestration import question_ids
from messaging.compiled_queries import Compiled

_NAMED = Compiled(lambda kind, key: Saga.objects.filter(kind=kind, key=key))
_NUMBERED = Compiled(lambda pk: Saga.objects.filter(pk=pk))
# The rows are selected by primary key only: PostgreSQL evaluates the condition again for a row that changed
# while its lock was waited for, and other conditions may no longer hold.
_BOTH = Compiled(
    lambda pk, parent: Saga.objects.select_for_update().filter(Q(pk=pk) | Q(pk=parent)).order_by("pk")
)
# Most replies concern the payment, so it is locked with its saga. The parent is locked first, because it is
# older than its child and has the lower key; then the payment, then the child. Every query that locks two of
# these locks the parent first.
_WITH_PAYMENT = Compiled(
    lambda pk, parent: (
        Saga.objects.select_related("payment__merchant")
        .select_for_update(of=("self", "payment"), no_key=True)
        .filter(Q(pk=pk) | Q(pk=parent))
        .order_by("pk")
    )
)
_OF_ATTEMPT = Compiled(lambda pk: Saga.objects.select_for_update().filter(attempt_id=pk).order_by("pk"))
_OF_PAYMENT = Compiled(lambda pk: Saga.objects.select_for_update().filter(payment_id=pk).order_by("pk"))


def locked_saga(kind: str, key: str) -> Saga | None:
    """Return the saga of this kind and key, locked after its parent."""
    found = _NAMED.first(kind, key)
    return None if found is None else _locked(_BOTH, found.pk, found.parent_id)


def numbered_saga(pk: int) -> Saga | None:
    """Return the saga with this primary key, locked after its parent; None if there is none."""
    found = _NUMBERED.first(pk)
    return None if found is None else _locked(_BOTH, pk, found.parent_id)


def saga_waiting_for(question: str) -> Saga | None:
    """Return the saga that waits for the answer to a question, locked after its parent and payment."""
    asker = question_ids.asker_in(question)
    saga = None if asker is None else _locked(_WITH_PAYMENT, *asker)
    return saga if saga is not None and _is_waiting(saga, question) else None


def sagas_of(attempt: Attempt) -> list[Saga]:
    """Return all sagas of an attempt, locked in the order in which they were started."""
    return _with_parents(_OF_ATTEMPT.all(attempt.pk))


def sagas_of_payment(attempt: Attempt) -> list[Saga]:
    """Return all sagas of an attempt's payment, locked in the order in which they were started."""
    return _with_parents(_OF_PAYMENT.all(attempt.payment_id))


def _with_parents(found: Iterable[Saga]) -> list[Saga]:
    sagas = {saga.pk: saga for saga in found}
    for saga in sagas.values():
        if saga.parent_id in sagas:
            saga.parent = sagas[saga.parent_id]
    return list(sagas.values())


def _locked(query: Compiled[Saga], pk: int, parent: int | None) -> Saga | None:
    found = {saga.pk: saga for saga in query.all(pk, parent or pk)}
    saga = found.get(pk)
    if saga is None:
        return None
    if saga.parent_id in found:
        saga.parent = found[saga.parent_id]
    elif saga.parent_id is not None:
        # The parent was set while the saga's lock was waited for. Locking in this order may deadlock: then
        # the database aborts a transaction, and its message is delivered again.
        saga.parent = Saga.objects.select_for_update().get(pk=saga.parent_id)
    return saga


def _is_waiting(saga: Saga, question: str) -> bool:
    """Return True if the saga still waited for this answer when it was locked."""
    return saga.awaiting == question
