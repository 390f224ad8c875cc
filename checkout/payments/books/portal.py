"""Movements that somebody may have made in the provider's portal instead of an operation of ours.

A provider's event often names no operation. If an operation of ours has its kind and amount, and may have
arrived, the event is attributed to that operation (``books.compare_events``). If no copy of our operation can
have had an effect, the movement was made in the portal. If a copy was lost, either may be true. In both cases
money might move twice if our operation were sent now.
"""

from collections import defaultdict
from collections.abc import Iterable

from checkout.conf import conf
from checkout.payments.calls import is_clean
from checkout.payments.checkout_messages import Fate
from checkout.payments.models.payment import NOTIFIED, OPERATION_SETTLED, Attempt, Fact, Operation
from checkout.payments.providers.base import EventKind
from checkout.payments.totals import operations_under_lock
from checkout.privacy.scrubbing import scrub_text
from messaging.compiled_queries import Compiled

Kind, State = Operation.Kind, Operation.State


def is_perhaps_done_there(operation: Operation, attempt: Attempt) -> bool:
    """Return True if a proven event may be about a movement made in the portal instead of this operation.

    The event names none of our operations. It has this operation's amount, or none. More such events were
    reported than our other operations can explain. The last one came after this operation was requested, and
    staff have not decided since then that the operation is to be sent. The attempt must be locked.
    """
    told_of = _TOLD.get(Kind(operation.kind))
    facts = told_of.all(attempt.pk) if told_of else []
    if not facts:
        return False
    ours = operations_under_lock(attempt)
    names = {scrub_text(each.reference) for each in ours}
    told: defaultdict[tuple[str, str], list[Fact]] = defaultdict(list)
    for fact in facts:
        if "not_applied" not in fact.data and fact.data.get("reference", "") not in names:
            told[fact.kind, fact.data.get("amount", "")].append(fact)
    others = [
        each
        for each in ours
        if each.kind == operation.kind
        and each.state != State.REFUSED
        and each.pk != operation.pk
        # An operation of which no copy can have had an effect explains nothing.
        and not is_clean(each)
    ]
    explained = {
        str(operation.amount): sum(each.amount_minor == operation.amount_minor for each in others),
        "": len(others),
    }
    unexplained = [
        movements[-1]
        for (_, amount), movements in told.items()
        if amount in explained and len(movements) > explained[amount]
    ]
    # The clocks of two processes may differ.
    since = operation.created_at - conf.settling_time
    last = max((each.pk for each in unexplained if each.recorded_at > since), default=0)
    return last > _decided(operation, attempt)


def _facts_of(events: Iterable[EventKind]) -> Compiled[Fact]:
    kinds = [f"{NOTIFIED}{event}" for event in events]
    return Compiled(lambda attempt: Fact.objects.filter(attempt_id=attempt, kind__in=kinds).order_by("pk"))


# The proven facts that tell of a movement of each kind.
_TOLD = {
    Kind.CAPTURE: _facts_of((EventKind.CAPTURED, EventKind.SETTLED)),
    Kind.REFUND: _facts_of((EventKind.REFUND_SENT, EventKind.REFUNDED)),
}


def _decided(operation: Operation, attempt: Attempt) -> int:
    """Return the key of the last fact that staff decided to send the operation; 0 if there is none."""
    said = {"data__reference": scrub_text(operation.reference), "data__said": Fate.NOT_ARRIVED.value}
    facts = Fact.objects.filter(attempt=attempt, kind=OPERATION_SETTLED, **said).order_by("-pk")
    return facts.values_list("pk", flat=True).first() or 0
