"""Money at risk: money that issuers have charged back according to a report, until it is booked or denied.

It must not be refunded, because it may be gone already. A proven notification raises
``Payment.at_risk_minor`` in the transaction that stores it. From then on, the sum is that of the open
questions about charge-backs: those that ask the provider, and those that wait for staff. The payment must be
locked.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from checkout.payments.events import move_operation
from checkout.payments.models.payment import Attempt, Fact, Operation, Payment
from checkout.payments.models.saga import ASKING, UNFINISHED, Saga
from checkout.payments.providers.base import EventKind
from checkout.payments.totals import ALL_BUT_REFUSED, added_up, operations_that_count
from checkout.privacy.scrubbing import scrub_text
from checkout.states import Actor
from messaging.compiled_queries import insert_in_batch, update_in_batch

# The reason of the refusal of a refund that was requested before the dispute was known.
DISPUTED = "payment_disputed"


def claimed(payment: Payment, minor: int | None, currency: str) -> int:
    """Return the amount that a reported charge-back puts at risk, in minor units of the payment's currency.

    It is the whole amount if the report has no amount, or one in another currency.
    """
    return minor if minor is not None and currency == payment.currency else payment.amount_minor


def put_at_risk(payment: Payment, minor: int | None, currency: str) -> None:
    """Put the money at risk that was charged back according to a proven notification."""
    _set(payment, payment.at_risk_minor + claimed(payment, minor, currency))


def count_claims(payment: Payment, *, settled: Collection[int] = (), unasked: int = 0) -> None:
    """Set the money at risk to the sum that the open questions claim.

    ``settled`` are the primary keys of the sagas whose questions have just been settled, and ``unasked`` is
    the amount of a proven notification that leads to no question. Nothing else lowers the sum, as the
    question about another notification may be about to begin.
    """
    by_saga = _at_risk_by_saga(payment, settled)
    ended = sum(minor for saga, minor in by_saga.items() if saga in settled)
    still_open = sum(by_saga.values()) - ended
    _set(payment, max(still_open, payment.at_risk_minor - ended - unasked))


def follow_question(saga: Saga, payment: Payment) -> None:
    """Update the money at risk if this saga's question about a charge-back was settled or parked."""
    if saga.kind == ASKING and saga.data.get("claim") == EventKind.CHARGED_BACK:
        count_claims(payment, settled=() if saga.status in UNFINISHED else [saga.pk])


def is_of_disputed_money(refund: Operation, payment: Payment) -> bool:
    """Return True if disputes, booked or not, and all other refunds leave less than this one's amount."""
    others = [each for each in operations_that_count(payment) if each.pk != refund.pk]
    sums = added_up(payment, others)
    disputed = sums.charged_back + sums.at_risk
    left = sums.captured - sums.total(Operation.Kind.REFUND, *ALL_BUT_REFUSED) - disputed
    return disputed > 0 and left < refund.amount_minor


def refuse_refund(refund: Operation, attempt: Attempt) -> None:
    """Refuse a refund of disputed money. No copy of its request may have had, or may yet have, an effect.

    The attempt must be locked as well.
    """
    move_operation(attempt.payment, refund, Operation.State.REFUSED, refusal_reason=DISPUTED)
    data = {"reference": scrub_text(refund.reference), "amount": str(refund.amount)}
    insert_in_batch(
        Fact(payment=attempt.payment, attempt=attempt, source=Actor.SAGA, kind="refund_withheld", data=data)
    )


def _at_risk_by_saga(payment: Payment, settled: Collection[int]) -> Mapping[int, int]:
    """Return the amounts of the questions that are open, or that were a moment ago, by the saga's key.

    Anybody may send hints, so only the first one of an attempt counts, until the provider's answer confirms
    another. As the answer confirms no amount, the whole amount counts.
    """
    minors: dict[int, int] = {}
    hinted: set[int] = set()
    for saga in questions_about(EventKind.CHARGED_BACK, payment):
        told = saga.data
        is_proven, is_confirmed = told.get("is_proven", True), told.get("is_confirmed", False)
        counts = is_proven or is_confirmed or saga.attempt_id not in hinted
        if not is_proven:
            hinted.add(saga.attempt_id)
        if counts and (saga.status in UNFINISHED or saga.pk in settled):
            is_amount_known = is_proven or not is_confirmed
            minor = told.get("minor") if is_amount_known else None
            minors[saga.pk] = claimed(payment, minor, told.get("currency", ""))
    return minors


def questions_about(claim: str, payment: Payment, **about: Any) -> Sequence[Saga]:
    """Return the questions about a payment's notified events of this kind, the oldest first."""
    rows = Saga.objects.filter(payment=payment, kind=ASKING, data__claim=claim, **about)
    return list(rows.order_by("pk"))


def _set(payment: Payment, minor: int) -> None:
    if minor != payment.at_risk_minor:
        payment.at_risk_minor = minor
        update_in_batch(payment, "at_risk_minor")
