"""The facts that staff need to determine the result of a capture, void or refund."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from django.db.models import Q, QuerySet

from checkout.backoffice.display.localised import money_text, second_text
from checkout.backoffice.display.values import NOTHING, Table, badge, humanised, told_amount
from checkout.backoffice.display.wording import ANSWERS, SAID, fact_in_words
from checkout.money import Money
from checkout.payments.models import Fact, Operation, ProviderCall, Saga
from checkout.payments.models.payment import NOTIFIED, OPERATION_SETTLED

# The provider is queried about an operation for days. The latest answers are sufficient.
LATEST = 15


def evidence_of(operation: Operation, saga: Saga) -> dict[str, Any]:
    """Return the context of a page about ``operation``, in a fixed number of queries."""
    facts = list(operation.attempt.facts.order_by("-pk").filter(_is_about(operation)))
    notifications = operation.attempt.facts.filter(kind__startswith=NOTIFIED).order_by("-pk")
    others = list(operation.payment.operations.filter(kind=operation.kind).exclude(pk=operation.pk))
    return {
        "known": [*_request(operation, facts), *_others(operation, others), *standing(saga)],
        "tables": [
            table_of_answers([_answer(fact) for fact in facts[:LATEST]]),
            table_of_notifications(notifications, operation.reference),
            Table(
                f"Other {operation.kind}s of this payment",
                ("Reference", "State", "Amount", "Requested", "By"),
                [_other(other) for other in others],
                "There are none.",
            ),
        ],
    }


def _is_about(operation: Operation) -> Q:
    """Match queries about the operation, the answers to them, and decisions of staff about it."""
    kinds = Q(kind__startswith=f"inquire_{operation.kind}_") | Q(kind__startswith=f"{operation.kind}_")
    return Q(data__reference=operation.reference) & (kinds | Q(kind__startswith=OPERATION_SETTLED))


def _request(operation: Operation, facts: Sequence[Fact]) -> Iterator[tuple[str, object]]:
    attempt = operation.attempt
    yield "What", f"{operation.get_kind_display()} of {money_text(operation.amount)}"
    yield "State", badge(operation.state)
    if operation.is_withdrawn:
        yield "Withdrawn", "It is never sent again"
    yield "Our reference", operation.reference
    yield "Provider's order code", attempt.order_code
    yield "Account", f"{attempt.provider_account} ({attempt.provider_account.merchant_code})"
    yield "Asked for", f"{time_text(operation.created_at)} by {operation.requested_by or NOTHING}"
    call = ProviderCall.objects.filter(key=operation.reference).first()
    is_included = operation.reference == attempt.capture_reference
    if is_included:
        yield "Sent", "With the authorisation, so that the provider does not know our reference"
    if call is None:
        if not is_included:
            yield "Sent", "Never"
        return
    # Each request with an answer or a timeout has a fact. The latest request may still lack one.
    answered = [fact for fact in facts if fact.kind.startswith(f"{operation.kind}_") and _was_sent(fact)]
    times = len(answered) + (call.finished_at is None)
    name = "Sent again" if is_included else "Sent"
    yield name, f"{_times(times)}, the last time {time_text(call.started_at)}"
    yield "Answer to that", _answered(call)


def _was_sent(fact: Fact) -> bool:
    return "outcome" in fact.data and fact.data["outcome"] != "not_sent"


def _times(number: int) -> str:
    return "Once" if number == 1 else f"{number} times"


def _answered(call: ProviderCall) -> str:
    if call.finished_at is None:
        return "None was received."
    said = ANSWERS.get(call.outcome, humanised(call.outcome))
    return (
        f"{said[:1].upper()}{said[1:]} ({call.event or 'no word of its own'}), {time_text(call.finished_at)}"
    )


def _others(operation: Operation, others: Sequence[Operation]) -> Iterator[tuple[str, object]]:
    sums: Counter[str] = Counter()
    for other in others:
        sums[other.state] += other.amount_minor
    amounts = [
        f"{humanised(state)} {money_text(Money(sums[state], operation.currency))}" for state in sorted(sums)
    ]
    yield f"Other {operation.kind}s", ", ".join(amounts) or "None"


def standing(saga: Saga) -> Iterator[tuple[str, object]]:
    """Yield the sums of the order that the provider reported last, and the reason why the saga is parked."""
    facts = Fact.objects.filter(attempt_id=saga.attempt_id).order_by("-pk")
    yield told_last(facts)
    if saga.status == Saga.Status.PARKED:
        parked = facts.filter(kind="saga_parked", data__saga=saga.kind, data__step=saga.step)
        fact = parked.first()
        yield "Waits because", (fact.data.get("why") if fact else "") or NOTHING


def told_last(facts: QuerySet[Fact]) -> tuple[str, object]:
    """Return the sums that the provider reported last, from ``facts`` in descending order."""
    told = facts.filter(data__has_key="position").first()
    return (
        "Sums that the provider told last",
        f"{told.data['position']}, {time_text(told.recorded_at)}" if told else "Not told",
    )


def _answer(fact: Fact) -> Sequence[object]:
    data = fact.data
    if fact.kind.startswith(OPERATION_SETTLED):
        what = f"{fact_in_words(fact.kind)}: {SAID.get(data.get('said'), '')}"
        remarks = data.get("why") or f"{data.get('by')}: {data.get('reason')}"
        return fact.recorded_at, what, NOTHING, NOTHING, remarks
    remarks = [data.get("refusal_description", ""), data.get("position", "")]
    if "by" in data:
        remarks.append(f"{data['by']}: {data.get('reason') or NOTHING}")
    return (
        fact.recorded_at,
        fact_in_words(fact.kind),
        data.get("event") or NOTHING,
        told_amount(data),
        "; ".join(filter(None, remarks)) or NOTHING,
    )


def table_of_answers(rows: Sequence[Sequence[object]]) -> Table:
    """Return the table of queries to the provider and their answers."""
    return Table(
        "What the provider was asked, and answered",
        ("Time", "What", "Provider's word", "Amount", "Remarks"),
        rows,
        "No answer was received.",
    )


def table_of_notifications(facts: QuerySet[Fact], reference: str) -> Table:
    """Return the table of the latest of ``facts``, marking those about the operation ``reference``."""
    return Table(
        "What the provider told us unasked about this order",
        ("Time", "What", "Provider's word", "Amount", "Names", "Not applied because"),
        [_notification(fact, reference) for fact in facts[:LATEST]],
        "Nothing.",
    )


def _notification(fact: Fact, reference: str) -> Sequence[object]:
    name = fact.data.get("reference", "")
    return (
        fact.recorded_at,
        fact_in_words(fact.kind),
        fact.data.get("event") or NOTHING,
        told_amount(fact.data),
        "This one" if name and name == reference else name or "None of ours",
        fact.data.get("not_applied") or NOTHING,
    )


def _other(operation: Operation) -> Sequence[object]:
    return (
        operation.reference,
        badge(operation.state),
        money_text(operation.amount),
        operation.created_at,
        operation.requested_by or NOTHING,
    )


def time_text(moment: Any) -> str:
    """Return a moment in the format of these pages."""
    return second_text(moment)
