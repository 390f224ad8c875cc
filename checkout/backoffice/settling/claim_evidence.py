"""The evidence that staff need to determine if a notification's claim is true."""

from collections.abc import Iterator, Sequence
from typing import Any

from django.db.models import Q

from checkout.backoffice.display.localised import money_text
from checkout.backoffice.display.values import NOTHING, Table, badge, told_amount
from checkout.backoffice.display.wording import CLAIMS, decision_in_words, fact_in_words
from checkout.backoffice.settling.evidence import (
    LATEST,
    standing,
    table_of_answers,
    table_of_notifications,
    time_text,
)
from checkout.money import Money
from checkout.payments.models import Fact, Operation, Payment, Saga
from checkout.payments.models.payment import CLAIM_SETTLED, HINTED, NOTIFIED
from checkout.payments.sagas.asking import AskingData
from checkout.payments.totals import added_up


def evidence_of_claim(saga: Saga, question: AskingData) -> dict[str, Any]:
    """Return the context of a page about the claim of a notification, in a fixed number of queries."""
    facts = saga.attempt.facts.order_by("-pk")
    told = Q(kind__startswith=NOTIFIED) | Q(kind__startswith=HINTED)
    about_it = Q(kind__startswith="claim_", data__claim=question.claim)
    operations = list(Operation.objects.filter(attempt_id=saga.attempt_id).order_by("pk"))
    return {
        "known": [*_claim(saga, question), *our_sums(saga.payment, operations), *standing(saga)],
        "tables": [
            table_of_answers([_answer(fact) for fact in facts.filter(about_it)[:LATEST]]),
            table_of_notifications(facts.filter(told), question.operation),
            table_of_operations(operations),
        ],
    }


def _claim(saga: Saga, question: AskingData) -> Iterator[tuple[str, object]]:
    yield "Claim", CLAIMS.get(question.claim, question.claim)
    if question.minor is not None and question.currency:
        yield "Amount that was told", money_text(Money(question.minor, question.currency))
    if question.operation:
        yield "Names our", question.operation
    yield (
        "Proof",
        "It came over a channel that only the provider can use"
        if question.is_proven
        else "None: anybody may have sent it",
    )
    attempt = saga.attempt
    yield "Provider's order code", attempt.order_code
    yield "Account", f"{attempt.provider_account} ({attempt.provider_account.merchant_code})"
    yield "Attempt", badge(attempt.state)
    yield "Payment", badge(saga.payment.state)
    yield "Told", time_text(saga.created_at)


def our_sums(payment: Payment, operations: Sequence[Operation]) -> Iterator[tuple[str, object]]:
    """Yield our sums of these operations of a payment."""
    sums, currency = added_up(payment, operations), payment.currency
    yield "Amount of the payment", money_text(payment.amount)
    yield "Captured", money_text(Money(sums.captured, currency))
    yield "Refunded", money_text(Money(sums.refunded, currency))
    yield "Charged back", money_text(Money(sums.charged_back, currency))


def _answer(fact: Fact) -> Sequence[object]:
    data = fact.data
    if fact.kind.startswith(CLAIM_SETTLED):
        what = f"{fact_in_words(fact.kind)}: {decision_in_words(data.get('claim'), data.get('said'))}"
        remarks = data.get("why") or f"{data.get('by')}: {data.get('reason')}"
    else:
        what, remarks = fact_in_words(fact.kind), data.get("why") or NOTHING
    return fact.recorded_at, what, data.get("event") or NOTHING, told_amount(data), remarks


def table_of_operations(operations: Sequence[Operation]) -> Table:
    """Return the table of all operations of an order."""
    return Table(
        "Captures, voids, refunds and charge-backs of this order",
        ("Reference", "Kind", "State", "Amount", "Requested", "By"),
        [
            (
                each.reference,
                Operation.Kind(each.kind).label.lower(),
                badge(each.state),
                money_text(each.amount),
                each.created_at,
                each.requested_by or NOTHING,
            )
            for each in operations
        ],
        "There are none.",
    )
