"""Unproven notifications ("hints"): they cause inquiries, change no state, and cost a limited amount."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from checkout.payments.checkout_messages import ApplyProviderEvent
from checkout.payments.models import Attempt, Fact, Operation, ProviderAccount, ProviderNotification
from checkout.payments.service.notifications.statement import MOST_HINTS
from tests.payments.service.asking import authorise, inquire_operation, operation_on, settle
from tests.payments.service.test_notification import body, events, notify, stored, worldpay

pytestmark = pytest.mark.django_db
State, Kind = ProviderNotification.State, Operation.Kind


def hint(
    attempt: Attempt, event: str, **changes: object
) -> tuple[ProviderNotification, list[ApplyProviderEvent]]:
    row = stored(attempt, body(attempt, event, **changes), is_proven=False)
    return row, events(notify(attempt, row))


def pending(attempt: Attempt, kind: str) -> Operation:
    authorise(attempt, "approve")
    operation = operation_on(attempt, kind)
    settle(operation, Operation.State.PENDING)
    return operation


@pytest.mark.parametrize("is_named", [True, False])
@pytest.mark.parametrize(
    ("event", "kind"), [("CAPTURED", Kind.CAPTURE), ("CANCELLED", Kind.VOID), ("REFUNDED", Kind.REFUND)]
)
def test_a_hint_settles_no_operation_even_one_that_it_names_but_is_told_on_as_what_it_is(
    attempt, event, kind, is_named
):
    operation = pending(attempt, kind)
    row, [told] = hint(attempt, event, reference=operation.reference if is_named else "")
    operation.refresh_from_db()
    assert operation.state == Operation.State.PENDING
    assert (told.kind, told.operation, told.is_proven) == (event.lower(), operation.reference, False)
    assert row.state == State.APPLIED
    assert attempt.facts.filter(kind=f"hinted_{event.lower()}").count() == 1
    assert not attempt.facts.filter(kind__startswith="notified_").exists()


def test_a_hint_at_a_refusal_of_an_authorised_attempt_is_recorded_and_told_to_nobody(attempt):
    authorise(attempt, "approve")
    row = stored(attempt, body(attempt, "REFUSED"), is_proven=False)
    assert events(notify(attempt, row)) == []
    assert attempt.state == Attempt.State.AUTHORISED
    assert row.state == State.APPLIED
    assert row.reason == "comes too late: the attempt is authorised"
    assert Fact.objects.get(kind="hinted_refused").data["not_applied"] == row.reason


def test_the_same_statement_is_applied_when_it_is_proven(attempt):
    operation = pending(attempt, Kind.CAPTURE)
    told = {"reference": operation.reference, "number": 7}
    hint(attempt, "CAPTURED", **told)
    proven = stored(attempt, body(attempt, "CAPTURED", **told) + " ")
    assert [event.is_proven for event in events(notify(attempt, proven))] == [True]
    operation.refresh_from_db()
    assert operation.state == Operation.State.DONE


def test_a_hint_that_repeats_what_was_proven_is_no_news(attempt):
    operation = pending(attempt, Kind.CAPTURE)
    told = {"reference": operation.reference, "number": 7}
    notify(attempt, stored(attempt, body(attempt, "CAPTURED", **told)))
    row, nothing = hint(attempt, "CAPTURED", **told, spaces="  ")
    assert (nothing, row.reason) == ([], "repeats an earlier one")


@pytest.mark.parametrize(
    "lie", [{"minor": 1}, {"minor": 125_000}, {"currency": "USD"}, {"merchant_code": "ANOTHER"}]
)
@pytest.mark.parametrize("card", ["approve", "lost"])
def test_a_hint_about_other_money_is_written_down_and_told_to_nobody(attempt, lie, card):
    if card == "approve":
        pending(attempt, Kind.CAPTURE)
    else:
        authorise(attempt, card)
    row, nothing = hint(attempt, "CAPTURED" if card == "approve" else "AUTHORISED", **lie)
    assert (nothing, row.state) == ([], State.CONFLICTED)
    assert attempt.facts.filter(kind__startswith="hinted_").count() == 1


def test_a_failure_that_only_a_hint_told_puts_no_refund_in_doubt(attempt, books):
    authorise(attempt, "approve")
    order = books.orders[attempt.order_code]
    order.captured = order.refunded = order.amount
    operation = operation_on(attempt, Kind.REFUND)
    settle(operation, Operation.State.PENDING)
    _, [told] = hint(attempt, "REFUND_FAILED", reference=operation.reference)
    assert (told.kind, told.operation, told.is_proven) == ("refund_failed", operation.reference, False)
    assert inquire_operation(operation) == "approved", "the provider's word alone decides"


def test_after_so_many_hints_about_an_order_no_more_are_looked_into(attempt):
    authorise(attempt, "lost")
    for number in range(MOST_HINTS):
        assert len(hint(attempt, "AUTHORISED", number=number)[1]) == 1
    row, nothing = hint(attempt, "AUTHORISED", number="one more")
    assert (nothing, row.state) == ([], State.APPLIED)
    assert "not looked into" in row.reason
    assert Fact.objects.filter(kind="hinted_authorised").count() == MOST_HINTS
    proven = stored(attempt, body(attempt, "AUTHORISED", number="the true one"))
    assert len(events(notify(attempt, proven))) == 1


def test_the_first_reference_that_is_one_of_ours_and_of_that_kind_counts(attempt):
    authorise(attempt, "approve")
    refund = operation_on(attempt, Kind.REFUND)
    other, operation = (operation_on(attempt, Kind.CAPTURE, minor=500) for _ in range(2))
    names = ["the provider's own", refund.reference, operation.reference, other.reference]
    row = stored(attempt, body(attempt, "CAPTURED", minor=500, reference=names[0], references=names))
    [told] = events(notify(attempt, row))
    assert told.operation == operation.reference
    assert {each.reference: each.state for each in attempt.operations.all()} == {
        refund.reference: "requested",
        other.reference: "requested",
        operation.reference: "done",
    }
    assert Fact.objects.get(kind="notified_captured").data["reference"] == operation.reference


def cost_of(attempt: Attempt, row: ProviderNotification) -> int:
    with CaptureQueriesContext(connection) as queries:
        notify(attempt, row)
    return len(queries)


@pytest.mark.parametrize("is_proven", [True, False])
def test_the_look_ups_of_a_body_do_not_depend_on_how_often_it_speaks_of_an_order(attempt, is_proven):
    authorise(attempt, "lost")
    attempt.provider_account.provider = "worldpay_wpg"
    attempt.provider_account.save()
    costs = [
        cost_of(
            attempt,
            stored(
                attempt,
                worldpay(*((attempt.order_code, f"{word}_{number}") for number in range(count))),
                is_proven=is_proven,
            ),
        )
        for word, count in (("WARM_UP", 1), ("ONE", 1), ("SOME", 2), ("MANY", 40))
    ]
    assert costs[1] == costs[2] == costs[3]
    assert costs[1] < 30


def test_only_so_many_statements_of_one_body_are_applied_and_the_rest_is_for_staff(attempt):
    authorise(attempt, "lost")
    ProviderAccount.objects.update(provider="worldpay_wpg")
    end, journals = "</orderStatusEvent>", 90 * '<journal journalType="SETTLED"/>'
    row = stored(attempt, worldpay((attempt.order_code, "SETTLED")).replace(end, journals + end))
    notify(attempt, row)
    assert (row.state, row.payment) == (State.UNREADABLE, attempt.payment)
    assert row.reason == "has 90 statements, of which the first 50 were applied"
    assert attempt.facts.filter(kind__startswith="notified_").count() == 50


@pytest.mark.parametrize("is_proven", [True, False])
def test_money_of_an_attempt_that_ended_without_any_is_asked_about_whatever_its_amount(attempt, is_proven):
    """Without an answer nobody would know of the money. Only the provider can say the amount."""
    authorise(attempt, "refuse")
    row = stored(attempt, body(attempt, "AUTHORISED", minor=1), is_proven=is_proven)
    assert [event.kind for event in events(notify(attempt, row))] == ["authorised"]
