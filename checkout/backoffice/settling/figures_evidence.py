"""The facts that staff need to settle a payment by figures, and the resulting bookings in words."""

from collections.abc import Iterator, Sequence
from typing import Any

from django.db.models import Q

from checkout.backoffice.display.localised import money_text
from checkout.backoffice.display.values import NOTHING, badge, told_amount
from checkout.backoffice.display.wording import (
    BOOKINGS,
    CORRECTIONS,
    COUNTED_AS_DONE,
    GIVEN_UP,
    STATES,
    fact_in_words,
)
from checkout.backoffice.settling.claim_evidence import our_sums, table_of_operations
from checkout.backoffice.settling.evidence import (
    LATEST,
    table_of_answers,
    table_of_notifications,
    time_text,
    told_last,
)
from checkout.money import Money
from checkout.payments.books.figures import (
    Reckoning,
    TheirBooks,
    is_open_beside,
    state_after,
)
from checkout.payments.models import Attempt, Fact, Operation
from checkout.payments.models.payment import HINTED, NOTIFIED, PAYMENT_SETTLED
from checkout.payments.totals import OPEN
from checkout.states import PaymentState

ASKED = Q(kind__startswith="review_") | Q(kind__startswith="inquire_") | Q(kind__startswith="claim_")
WITH_WHY = ("books_differ", "saga_parked")


def evidence_of_payment(attempt: Attempt, ours: Sequence[Operation]) -> dict[str, Any]:
    """Return the context of the page that asks for figures, in a fixed number of queries."""
    facts = attempt.facts.order_by("-pk")
    answers = facts.filter(ASKED | Q(kind__startswith=PAYMENT_SETTLED) | Q(kind__in=WITH_WHY))
    told = Q(kind__startswith=NOTIFIED) | Q(kind__startswith=HINTED)
    is_conflicted = attempt.payment.state == PaymentState.CONFLICTED
    return {
        "is_conflicted": is_conflicted,
        "without_outcome": [each for each in ours if each.state in OPEN],
        "known": [
            ("Provider's order code", attempt.order_code),
            ("Account", f"{attempt.provider_account} ({attempt.provider_account.merchant_code})"),
            ("Attempt", badge(attempt.state)),
            *our_sums(attempt.payment, ours),
            told_last(facts),
            *([_reviewed(attempt)] if is_conflicted else []),
        ],
        "tables": [
            table_of_answers([_answer(fact) for fact in answers[:LATEST]]),
            table_of_notifications(facts.filter(told), ""),
            table_of_operations(ours),
        ],
    }


def _reviewed(attempt: Attempt) -> tuple[str, object]:
    reviews = attempt.facts.filter(kind__in=("review_stands", "review_unknown")).order_by("-pk")
    latest = reviews.first()
    if latest is None:
        return (
            "Latest review",
            "The provider was not asked again yet. Have it asked first: that may be enough.",
        )
    return "Latest review", f"{latest.data.get('why') or NOTHING} ({time_text(latest.recorded_at)})"


def _answer(fact: Fact) -> Sequence[object]:
    data = fact.data
    reason = f"{data['by']}: {data.get('reason') or NOTHING}" if "by" in data else ""
    said = data.get("said", "") if fact.kind.startswith(PAYMENT_SETTLED) else ""
    remarks = [said, reason, data.get("why", ""), data.get("position", "")]
    return (
        fact.recorded_at,
        fact_in_words(fact.kind),
        data.get("event") or NOTHING,
        told_amount(data),
        "; ".join(filter(None, remarks)) or NOTHING,
    )


def consequences(attempt: Attempt, theirs: TheirBooks, reckoning: Reckoning) -> dict[str, Any]:
    """Return the context of the page that asks for a confirmation of all consequences."""
    state, stays = state_after(attempt, theirs, reckoning), is_open_beside(attempt)
    has_changes = reckoning.has_changes or state != attempt.payment.state
    return {
        "bookings": list(_bookings(reckoning)),
        "has_changes": has_changes,
        "state": badge(state),
        "meaning": STATES[state],
        "stays": stays,
        "order": _order(attempt, theirs, state) if has_changes and not stays else "",
        "less_than_nothing": Money(-theirs.kept.minor, theirs.kept.currency)
        if theirs.kept.minor < 0
        else None,
    }


def _bookings(reckoning: Reckoning) -> Iterator[str]:
    for each in reckoning.undone:
        yield CORRECTIONS[each.kind].format(amount=money_text(each.amount), reference=each.reference)
    for text, operations in ((GIVEN_UP, reckoning.given_up), (COUNTED_AS_DONE, reckoning.arrived)):
        for each in operations:
            kind = each.get_kind_display().lower()
            yield text.format(kind=kind, amount=money_text(each.amount), reference=each.reference)
    for kind, amount in reckoning.booked:
        yield BOOKINGS[kind].format(amount=money_text(amount))


def _order(attempt: Attempt, theirs: TheirBooks, state: PaymentState) -> str:
    if not theirs.has_money and state == PaymentState.VOIDED:
        return "The order is called off, and what was set aside for it is given back to the stock."
    if not theirs.has_money:
        return "Another attempt has the money: the order stays as it is."
    if theirs.is_given_back:
        return (
            "An order that is not confirmed yet is given up, and its stock given back, as all of the money "
            "went back. A confirmed order stays so."
        )
    text = (
        "An order that had been given up is taken up again if there is still enough in stock; one that was "
        "called off stays so."
    )
    is_left = theirs.is_held and theirs.captured < attempt.payment.amount
    return f"{text} Nothing is captured by itself: capture or void what is held." if is_left else text
