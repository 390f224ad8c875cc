"""Obstacles to settling a payment: it is settled once, and only if nothing has changed since."""

from dataclasses import replace

import pytest
from msgspec.structs import replace as with_changes

from checkout.errors import OperationRejected
from checkout.money import Money
from checkout.payments.actions import available
from checkout.payments.models import Attempt, Fact, Operation, OutboxMessage, Payment, Saga
from checkout.payments.sagas.service import service
from checkout.payments.sagas.settlement.matter import seen_of_payment
from checkout.payments.totals import sums_of
from checkout.states import Actor, AttemptState, PaymentState
from messaging.envelope import new_message_id
from tests.payments.service.asking import operation_on
from tests.payments.service.contradicting import (
    HELD,
    NOTHING,
    another,
    aside,
    authorised,
    balances,
    books_with,
    carried_out,
    conflicted,
    found,
    kept,
    parked,
    posted,
    refused,
    said,
    settled,
    taken,
)
from tests.payments.service.delivering import deliver
from tests.payments.service.settling import decided
from tests.support.settling import settle_payment

__all__ = ["aside", "authorised", "taken"]

pytestmark = pytest.mark.django_db

Kind, State = Operation.Kind, Operation.State
A, P = AttemptState, PaymentState
NO_USD = Money(0, "USD")


def too_late() -> Fact:
    return Fact.objects.get(kind="payment_settled_by_not_applied")


@pytest.mark.parametrize(
    ("theirs", "why"),
    [
        (books_with(1251), "No more than £12.50"),
        (books_with(-1), "not less than nothing"),
        (books_with(0, refunded=1), "never captured"),
        (books_with(0, charged_back=1, is_held=True), "never captured"),
        (books_with(1000, charged_back=1001), "No more than £10.00 can have been charged back"),
        (replace(HELD, captured=NO_USD, refunded=NO_USD, charged_back=NO_USD), "payment is in GBP"),
        (books_with(1250, lacks=frozenset({"op_strange"})), "Only a capture or refund that is done"),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(taken, theirs, why):
    refused(taken, theirs, why)


@pytest.mark.parametrize("reason", ["", "  ", "\0"])
def test_without_a_reason_nothing_is_settled(aside, reason):
    with pytest.raises(OperationRejected, match="how you found out"):
        settle_payment(aside.payment.reference, HELD, by="ada", reason=reason)


def test_a_payment_that_nobody_has_paid_yet_is_not_settled(aside):
    Payment.objects.update(state=P.OPEN)
    with pytest.raises(OperationRejected, match="nothing to settle"):
        settle_payment(aside.payment.reference, HELD, by="ada", reason="x")


def saga_of(attempt, kind, status, step="check", key="1"):
    return Saga.objects.create(
        kind=kind, key=key, payment=attempt.payment, attempt=attempt, step=step, status=status
    )


@pytest.mark.parametrize(
    ("kind", "status", "step", "why"),
    [
        ("asking", "running", "review", "just being asked"),
        ("asking", "parked", "review", "review has stopped"),
        ("asking", "running", "check", "if a notification is true"),
        ("asking", "parked", "check", "Settle that first"),
        ("purchase", "running", "authorise", "purchase is still under way"),
    ],
)
def test_what_is_being_asked_or_waits_for_staff_comes_first(aside, kind, status, step, why):
    saga_of(aside, kind, status, step)
    refused(aside, HELD, why)


@pytest.mark.parametrize("claim", ["charged_back", "charge_back_reversed"])
def test_a_charge_back_that_our_books_have_no_room_for_is_settled_with_the_payment(aside, claim):
    question = saga_of(aside, "asking", "parked")
    question.data = {"claim": claim}
    question.save()
    settled(aside, books_with(1250, charged_back=500))
    assert ("charge_back", 500, State.DONE) in found()


def test_a_charge_back_of_more_than_our_books_have_captured_is_settled_with_the_payment(aside):
    """Neither the charge-back nor the payment could be settled first: the rest was captured in the portal."""
    posted(aside, Kind.CAPTURE, 700)
    question = saga_of(conflicted(aside), "asking", "parked")
    question.data = {"claim": "charged_back", "minor": 701}
    question.save()
    assert settled(aside, books_with(1250, charged_back=701)).state == P.CHARGED_BACK
    assert {("capture", 550, State.DONE), ("charge_back", 701, State.DONE)} <= set(found())


def test_a_charge_back_that_our_books_have_room_for_is_settled_first(taken):
    question = saga_of(taken, "asking", "parked")
    question.data = {"claim": "charged_back"}
    question.save()
    refused(taken, books_with(1250, charged_back=500), "Settle that first")


def test_the_charge_back_of_another_attempt_waits_for_that_attempt(taken):
    """No charge-back can be booked before, and the attempts without money are settled first."""
    other = another(taken, A.CONFLICTED)
    question = saga_of(other, "asking", "parked")
    question.data = {"claim": "charged_back", "minor": 500}
    question.save()
    assert settled(taken, NOTHING).state == P.CONFLICTED
    assert settled(other, books_with(1250, charged_back=500)).state == P.CHARGED_BACK


def test_the_charge_back_of_another_attempt_that_has_room_for_it_is_settled_first(taken):
    question = saga_of(taken, "asking", "parked")
    question.data = {"claim": "charged_back", "minor": 500}
    question.save()
    refused(another(taken, A.CONFLICTED), NOTHING, "Settle that first")


@pytest.mark.parametrize(("status", "step"), [("parked", "conflicted"), ("running", "inquire")])
def test_a_purchase_that_waits_for_it_is_no_obstacle(aside, status, step):
    saga_of(aside, "purchase", status, step)
    said(aside, HELD)


@pytest.mark.parametrize(
    ("kind", "status", "why"),
    [
        ("refund", "parked", "Settle that first"),
        ("capture", "parked", "Settle that first"),
        ("capture", "running", "is under way"),
        ("capture", "", "is under way"),
    ],
)
def test_an_operation_without_an_end_is_settled_first(authorised, kind, status, why):
    operation = operation_on(authorised, kind, 300)
    if status:
        saga_of(authorised, kind, status, "inquire", operation.reference)
    refused(authorised, HELD, why)


@pytest.mark.parametrize(
    ("status", "why"), [("running", "being looked into"), ("parked", "on its saga's page")]
)
def test_a_done_operation_that_is_still_being_looked_into_comes_first(taken, status, why):
    Saga.objects.update(status=status, step="post_done")
    refused(taken, books_with(1250), why)


@pytest.mark.parametrize(
    ("theirs", "state", "end"),
    [
        (NOTHING, P.VOIDED, State.REFUSED),
        (HELD, P.CAPTURE_PENDING, State.UNKNOWN),
        (books_with(1250), P.CAPTURED, State.REFUSED),
        (books_with(250, is_held=True), P.PARTIALLY_CAPTURED, State.UNKNOWN),
        # These 10.00 are that capture, which must not be counted or sent once more.
        (books_with(1000, is_held=True), P.PARTIALLY_CAPTURED, State.DONE),
    ],
)
def test_a_capture_that_cannot_be_sent_again_before_has_arrived_only_if_it_is_what_was_found(
    aside, theirs, state, end
):
    saga = parked_capture(aside, 1000)
    payment = settled(aside, theirs)
    assert payment.state == sums_of(payment).state == state
    assert end_of(saga) == end
    assert balances() == kept(theirs.captured.minor)


@pytest.mark.parametrize(("amount", "end"), [(499, State.UNKNOWN), (500, State.DONE), (501, State.REFUSED)])
def test_a_capture_for_which_there_is_room_is_given_up_if_it_may_be_a_part_of_what_was_found(
    aside, amount, end
):
    saga = parked_capture(aside, 500)
    assert settled(aside, books_with(amount, is_held=True)).state == P.PARTIALLY_CAPTURED
    assert end_of(saga) == end
    assert balances() == kept(amount)


@pytest.mark.parametrize(
    ("amount", "ends"),
    [
        (300, [State.DONE, State.UNKNOWN]),
        (700, [State.DONE, State.DONE]),
        (400, [State.UNKNOWN, State.DONE]),
        (350, [State.REFUSED, State.UNKNOWN]),
    ],
)
def test_captures_have_arrived_that_are_certainly_among_what_was_found(aside, amount, ends):
    sagas = [parked_capture(aside, 300), parked_capture(aside, 400)]
    assert settled(aside, books_with(amount, is_held=True)).state == P.PARTIALLY_CAPTURED
    assert [end_of(each) for each in sagas] == ends
    assert balances() == kept(amount)


def test_the_one_of_two_equal_captures_has_arrived_that_staff_said_has(aside):
    sagas = [parked_capture(aside, 300), parked_capture(aside, 300)]
    decision = decided(Operation.objects.get(reference=sagas[1].key), arrived=True)
    assert settled(aside, books_with(300, is_held=True)).state == P.PARTIALLY_CAPTURED
    deliver(service, decision)
    assert [end_of(each) for each in sagas] == [State.UNKNOWN, State.DONE]
    assert balances() == kept(300)


def test_a_capture_that_never_left_us_is_not_what_was_found(aside):
    saga = parked_capture(aside, 500)
    Operation.objects.update(state=State.REQUESTED)
    settled(aside, books_with(500, is_held=True))
    assert end_of(saga) == State.REFUSED
    assert balances() == kept(500)


@pytest.mark.parametrize(("ours", "end"), [(750, State.UNKNOWN), (751, State.REFUSED)])
def test_a_capture_is_given_up_if_what_was_captured_before_leaves_no_room_for_it(aside, ours, end):
    posted(aside, Kind.CAPTURE, ours)
    saga = parked_capture(conflicted(aside), 500)
    assert settled(aside, books_with(ours, is_held=True)).state == P.PARTIALLY_CAPTURED
    assert end_of(saga) == end


@pytest.mark.parametrize(
    ("theirs", "state", "end"),
    [
        (books_with(250, refunded=250), P.REFUNDED, State.REFUSED),
        (books_with(1250), P.CAPTURED, State.REFUSED),
        (HELD, P.AUTHORISED, State.REFUSED),
        (NOTHING, P.VOIDED, State.DONE),
    ],
)
@pytest.mark.parametrize("before", [A.CONFLICTED, A.AUTHORISED])
def test_a_void_without_an_outcome_ends_as_what_staff_found_says(aside, before, theirs, state, end):
    """After a capture, staff could only have it refused again; without money, no action is left."""
    Payment.objects.update(captures_automatically=False)
    saga = parked(conflicted(aside, before), Kind.VOID, 1250)
    payment = settled(aside, theirs)
    assert payment.state == sums_of(payment).state == state
    assert end_of(saga) == end
    assert Operation.objects.filter(kind=Kind.VOID).count() == 1
    assert available(payment.reference).authorised.minor == (0 if end == State.DONE else 1250)


def parked_capture(attempt: Attempt, minor: int) -> Saga:
    return parked(attempt, Kind.CAPTURE, minor)


def end_of(saga: Saga) -> str:
    """Return the state of the operation, after checking that its saga agrees."""
    saga.refresh_from_db()
    state = Operation.objects.get(reference=saga.key).state
    ends: dict[str, str] = {State.REFUSED: "compensated", State.DONE: "completed"}
    assert saga.status == ends.get(state, "parked")
    return state


@pytest.mark.parametrize("state", [A.SUBMITTED, A.UNKNOWN, A.CHALLENGE_REQUIRED])
def test_an_attempt_without_an_end_comes_first(aside, state):
    other = another(aside, state)
    refused(aside, HELD, other.order_code)
    refused(aside, NOTHING, other.order_code)
    other.delete()
    refused(conflicted(aside, state), NOTHING, aside.order_code)


@pytest.mark.parametrize(
    ("state", "why"), [(A.CONFLICTED, "contradicts us as well"), (A.AUTHORISED, "holds money")]
)
def test_the_attempt_without_money_is_settled_first_of_two(aside, state, why):
    other = another(aside, state)
    for theirs in (HELD, books_with(1250)):
        refused(aside, theirs, why)
    assert settled(aside, NOTHING).state == (P.CONFLICTED if state == A.CONFLICTED else P.AUTHORISED)
    assert aside.state == A.REFUSED
    if state == A.CONFLICTED:
        assert settled(other, books_with(1250)).state == P.CAPTURED
        assert other.state == A.AUTHORISED


def test_an_authorised_attempt_is_let_go_beside_one_that_contradicts_us(authorised):
    other = another(authorised, A.CONFLICTED)
    assert settled(authorised, NOTHING).state == P.CONFLICTED
    assert authorised.state == A.REFUSED
    assert found() == [], "a void would be one of all of the payment"
    assert settled(other, HELD).state == P.AUTHORISED


def test_a_void_of_another_attempt_does_not_call_money_released_that_was_taken(authorised):
    posted(authorised, Operation.Kind.VOID, 1250)
    other = another(authorised, A.CONFLICTED)
    settled(authorised, NOTHING)
    payment = settled(other, books_with(1250))
    assert payment.state == sums_of(payment).state == P.CAPTURED
    assert sums_of(payment).left_to_refund == 1250


def test_another_payment_s_attempt_is_not_settled(aside):
    with pytest.raises(OperationRejected, match="no such attempt"):
        settle_payment(aside.payment.reference, HELD, attempt="other-1", by="ada", reason="x")
    ours = said(aside, HELD)
    body = ours.body.replace(f'"payment":"{aside.payment.reference}"'.encode(), b'"payment":"pay_other"')
    assert body != ours.body
    other = with_changes(ours, body=body, reply_to="test.replies.saga")
    assert not deliver(service, other).reply.ok


def test_the_decision_is_a_fact_with_who_why_and_what(aside):
    said(aside, books_with(1250, refunded=300))
    fact = Fact.objects.get(kind="payment_settled_by")
    assert fact.source == Actor.STAFF
    assert fact.data == {
        "by": "ada",
        "reason": "Seen in the portal",
        "said": ("captured 12.50 GBP, refunded 3.00 GBP, charged back 0.00 GBP, no authorisation is held"),
        "seen": seen_of_payment(aside.payment),
    }


def test_the_second_of_two_who_decide_is_told_what_the_first_said(aside):
    said(aside, HELD)
    with pytest.raises(OperationRejected, match="ada has said already: captured"):
        said(aside, NOTHING, by="bob")
    assert OutboxMessage.objects.filter(type="checkout.settle_books").count() == 1


def change_sums(attempt):
    posted(attempt, Kind.CAPTURE, 100)


def change_state(attempt):
    Attempt.objects.filter(pk=attempt.pk).update(state=A.REFUSED)


def begin_saga(attempt):
    saga_of(attempt, "purchase", "running", "confirm_order")


def be_notified(attempt):
    Fact.objects.create(
        payment=attempt.payment, attempt=attempt, source=Actor.PROVIDER, kind="notified_captured"
    )


def resolve(attempt):
    Payment.objects.update(state=P.AUTHORISED)


@pytest.mark.parametrize("change", [change_sums, change_state, begin_saga, be_notified])
def test_who_decided_on_less_than_is_known_by_now_is_told_to_look_again(authorised, change):
    seen = seen_of_payment(authorised.payment)
    change(authorised)
    authorised = conflicted(authorised, Attempt.objects.get().state)
    refused(authorised, HELD, "Look again", seen=seen)


@pytest.mark.parametrize("change", [change_sums, change_state, begin_saga, be_notified, resolve])
def test_what_moves_between_the_decision_and_its_turn_comes_first(authorised, change):
    envelope = said(authorised, NOTHING)
    change(authorised)
    if change is change_sums:
        Payment.objects.update(state=P.CONFLICTED)
    before = found(), Payment.objects.get().state, balances()
    deliver(service, envelope)
    assert (found(), Payment.objects.get().state, balances()) == before
    assert too_late().data["why"]
    assert "no authorisation is held" in too_late().data["said"]


def test_after_one_that_came_too_late_another_may_be_decided(authorised):
    envelope = said(authorised, HELD)
    saga = saga_of(authorised, "purchase", "running", "confirm_order")
    deliver(service, envelope)
    saga.delete()
    assert settled(authorised, NOTHING).state == P.VOIDED


def test_a_copy_and_the_opposite_change_nothing(aside):
    first = said(aside, books_with(1250))
    body = first.body.replace(b'"captured":1250', b'"captured":0')
    assert body != first.body
    carried_out(first)
    carried_out(with_changes(first, message_id=new_message_id()))
    carried_out(with_changes(first, body=body, message_id=new_message_id()))
    assert Payment.objects.get().state == P.CAPTURED
    assert found() == [("capture", 1250, State.DONE)]
    assert Fact.objects.filter(kind="payment_settled_by_not_applied").count() == 2
