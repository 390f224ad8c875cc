"""Refuse a second decision of staff while the first one is about to be carried out."""

from collections.abc import Mapping

from checkout.errors import OperationRejected
from checkout.payments.models import Attempt, Fact, Saga


def refuse_duplicate_decision(
    saga: Saga, settled: str, about: dict[str, object], words: dict[str, str]
) -> None:
    """Raise ``OperationRejected`` if a decision on the saga's present version is about to be carried out.

    The decisions are the facts of the kind ``settled`` whose data include ``about``; ``words`` has the text
    for each decision. The saga must be locked, so that decisions are made one after another. After a decision
    that came too late another one may follow.
    """
    known = _first_decision(saga.attempt_id, settled, about, {"version": saga.version})
    if known is not None:
        raise OperationRejected(
            f"{known['by']} has said already that {words[known['said']]}. See how it goes."
        )


def refuse_duplicate_decision_on(attempt: Attempt, settled: str, seen: str) -> None:
    """Raise ``OperationRejected`` if a decision based on the state ``seen`` is about to be carried out.

    The payment must be locked, so that decisions are made one after another.
    """
    known = _first_decision(attempt.pk, settled, {}, {"seen": seen})
    if known is not None:
        raise OperationRejected(f"{known['by']} has said already: {known['said']}. See how it goes.")


def _first_decision(
    attempt: int, settled: str, about: Mapping[str, object], as_seen: Mapping[str, object]
) -> dict[str, str] | None:
    """Return the data of the latest decision if it was based on ``as_seen``, the present state."""
    named = {f"data__{name}": value for name, value in about.items()}
    facts = Fact.objects.filter(attempt_id=attempt, kind__startswith=settled, **named)
    known = facts.order_by("-pk").first()
    if known is None or known.kind != settled:
        return None
    data: dict[str, str] = known.data
    return data if all(data[name] == value for name, value in as_seen.items()) else None
