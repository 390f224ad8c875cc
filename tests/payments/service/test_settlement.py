"""Staff decide the outcome of an operation, and the orchestrator applies the decision once."""

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from checkout.errors import AmountNotAvailable, OperationRejected, OutcomeUnknown
from checkout.ledger.messages import PostEntries
from checkout.money import Money
from checkout.payments import service as payments
from checkout.payments.actions import request_capture
from checkout.payments.books.apply import doubt
from checkout.payments.books.ours import SAID_TO_HAVE_FAILED
from checkout.payments.checkout_messages import ResumeSaga
from checkout.payments.models import Attempt, Fact, Operation, OutboxMessage, Payment, ProviderCall, Saga
from checkout.payments.sagas.service import service
from checkout.payments.sagas.settlement.matter import seen_of_saga
from checkout.states import Actor, PaymentState
from messaging.envelope import new_message_id
from tests.payments.service.asking import authorise, let_settle, operation_on
from tests.payments.service.delivering import Delivered, command, deliver
from tests.payments.service.replying import answered, notified
from tests.payments.service.settling import authorised, decided, parked, relay, saga_of, to_settle
from tests.support.memory_provider.books import Manners, Order
from tests.support.memory_provider.scenarios import Scenarios
from tests.support.settling import settle_operation

pytestmark = pytest.mark.django_db

CAPTURE, VOID, REFUND = Operation.Kind.CAPTURE, Operation.Kind.VOID, Operation.Kind.REFUND
State = Operation.State
KINDS = pytest.mark.parametrize("kind", [CAPTURE, VOID, REFUND])
ANSWERS = pytest.mark.parametrize("arrived", [True, False])


@pytest.fixture
def order(attempt: Attempt, books: Any, settings: Any) -> Order:
    """Return an authorised order at a provider that neither deduplicates nor reports sums."""
    settings.CHECKOUT_INQUIRY_DELAYS = [1]
    books.manners_for = lambda code: Manners(deduplicates=False, tells_position=False)
    authorise(attempt, "approve")
    authorised(attempt)
    return books.orders[attempt.order_code]


@pytest.fixture
def lost(attempt: Attempt, order: Order, scenarios: Scenarios) -> Any:
    """Return a function that creates an operation whose request is lost and whose saga is parked."""

    def make(kind: str, minor: int = 1250, *, is_old: bool = True) -> Operation:
        if kind == REFUND and not order.captured.minor:
            operation_on(attempt, CAPTURE)
            Operation.objects.filter(kind=CAPTURE).update(state=State.DONE)
            Payment.objects.update(state=PaymentState.CAPTURED)
            order.captured = order.amount
        with scenarios.answer(kind, OutcomeUnknown("The connection broke.")):
            operation = parked(attempt, kind, minor)
        if is_old:
            let_settle(attempt)
        assert operation.state == State.UNKNOWN
        return operation

    return make


def sent(delivered: Delivered) -> list[str]:
    return [envelope.type for envelope in delivered.commands]


def gbp(minor: int) -> Money:
    return Money(minor, "GBP")


@KINDS
def test_what_arrived_is_done_posted_and_counted(lost, kind):
    operation = lost(kind)
    delivered = deliver(service, decided(operation, arrived=True))
    saga = saga_of(operation)
    operation.refresh_from_db()
    assert (operation.state, saga.status) == (State.DONE, Saga.Status.COMPLETED)
    assert ("ledger.post" in sent(delivered)) == (kind != VOID)
    expected = {
        CAPTURE: PaymentState.CAPTURED,
        VOID: PaymentState.VOIDED,
        REFUND: PaymentState.REFUNDED,
    }
    assert Payment.objects.get().state == expected[kind]


@KINDS
def test_what_did_not_arrive_is_sent_again_with_the_same_reference_and_key(lost, order, kind):
    operation = lost(kind)
    delivered = deliver(service, decided(operation, arrived=False))
    operation.refresh_from_db()
    assert operation.state == State.REQUESTED
    assert sent(delivered) == [f"payments.{kind}"]
    relay(delivered)
    operation.refresh_from_db()
    assert operation.state == State.PENDING
    call = ProviderCall.objects.get(verb=kind)
    assert (call.key, call.outcome) == (operation.reference, "pending")
    moved = {CAPTURE: order.captured, REFUND: order.refunded, VOID: gbp(1250)}
    assert moved[kind] == gbp(1250)


def test_the_refusal_of_what_is_sent_again_says_nothing_of_the_first_one(lost, order):
    operation = lost(CAPTURE)
    order.captured = gbp(1)
    relay(deliver(service, decided(operation, arrived=False)))
    operation.refresh_from_db()
    assert operation.state == State.UNKNOWN


@KINDS
def test_what_is_given_up_is_refused_and_not_sent_any_more(lost, order, kind):
    operation = lost(kind)
    before = order.captured + order.refunded
    delivered = deliver(service, decided(operation, arrived=False, gives_up=True))
    operation.refresh_from_db()
    assert (operation.state, operation.refusal_reason) == (State.REFUSED, "withdrawn")
    assert f"payments.{kind}" not in sent(delivered)
    assert order.captured + order.refunded == before
    assert saga_of(operation).status == Saga.Status.COMPENSATED


@ANSWERS
def test_the_decision_is_a_fact_with_who_why_and_what(lost, arrived):
    operation = lost(CAPTURE)
    decided(operation, arrived=arrived)
    fact = Fact.objects.get(kind="operation_settled_by")
    assert fact.source == Actor.STAFF
    assert fact.data == {
        "by": "ada",
        "reason": "Seen in the portal",
        "reference": operation.reference,
        "said": "arrived" if arrived else "not_arrived",
        "seen": seen_of_saga(saga_of(operation)),
    }


@pytest.mark.parametrize("reason", ["", "  ", "\0", "\n\t"])
def test_without_a_reason_nothing_is_settled(lost, reason):
    operation = lost(CAPTURE)
    with pytest.raises(OperationRejected, match="how you found out"):
        settle_operation(operation.reference, arrived=True, by="ada", reason=reason)
    assert not OutboxMessage.objects.filter(type="checkout.settle_books").exists()


def test_a_card_number_in_the_reason_is_not_kept(lost):
    operation = lost(CAPTURE)
    settle_operation(operation.reference, arrived=True, by="ada", reason="Paid by 4444333322221111")
    assert "4444" not in Fact.objects.get(kind="operation_settled_by").data["reason"]


def test_an_operation_that_does_not_exist_cannot_be_settled(db):
    with pytest.raises(OperationRejected, match="no such operation"):
        settle_operation("op_none", arrived=True, by="ada", reason="x")


@ANSWERS
@pytest.mark.parametrize("state", [State.DONE, State.REFUSED])
def test_what_is_certain_cannot_be_settled(lost, state, arrived):
    operation = lost(CAPTURE)
    Operation.objects.update(state=state)
    with pytest.raises(OperationRejected, match=f"is {state}"):
        settle_operation(operation.reference, arrived=arrived, by="ada", reason="x")


@ANSWERS
def test_while_the_provider_is_being_asked_nothing_can_be_settled(lost, arrived):
    operation = lost(CAPTURE)
    saga = saga_of(operation)
    deliver(service, command(ResumeSaga(saga=saga.pk, version=saga.version)))
    with pytest.raises(OperationRejected, match="Wait until its flow has stopped"):
        settle_operation(operation.reference, arrived=arrived, by="ada", reason="x")


@ANSWERS
def test_an_operation_whose_flow_has_not_begun_cannot_be_settled(attempt, order, arrived):
    operation = operation_on(attempt, CAPTURE)
    with pytest.raises(OperationRejected, match="has not begun"):
        settle_operation(operation.reference, arrived=arrived, by="ada", reason="x")


def test_a_flow_that_knows_the_outcome_is_not_settled(lost):
    operation = lost(CAPTURE)
    Saga.objects.update(step="finished")
    with pytest.raises(OperationRejected, match="waits for something else"):
        settle_operation(operation.reference, arrived=True, by="ada", reason="x")


def test_what_may_still_be_on_its_way_is_not_sent_again(lost):
    operation = lost(CAPTURE, is_old=False)
    with pytest.raises(OperationRejected, match=r"Wait 3 minutes"):
        settle_operation(operation.reference, arrived=False, by="ada", reason="x")
    settle_operation(operation.reference, arrived=True, by="ada", reason="x")


def test_what_was_sent_between_the_decision_and_its_turn_is_not_sent_again_and_may_be_decided_again(
    lost, order
):
    operation = lost(CAPTURE)
    envelope = decided(operation, arrived=False)
    call = ProviderCall.objects.get(key=operation.reference)
    call.started_at = operation.updated_at
    call.outcome = ""
    call.save()
    assert sent(deliver(service, envelope)) == []
    assert "still be on its way" in too_late().data["why"]
    deliver(service, decided(operation, arrived=True))
    operation.refresh_from_db()
    assert operation.state == State.DONE, "it may be decided again"


def too_late() -> Fact:
    return Fact.objects.get(kind="operation_settled_by_not_applied")


def test_a_capture_of_a_conflicted_attempt_is_not_sent_again_before_its_end(lost, attempt):
    operation = lost(CAPTURE)
    Attempt.objects.update(state=Attempt.State.CONFLICTED)
    with pytest.raises(OperationRejected, match="Settle the contradiction"):
        settle_operation(operation.reference, arrived=False, by="ada", reason="x")
    settle_operation(operation.reference, arrived=True, by="ada", reason="x")


def test_a_payment_that_is_conflicted_stays_so_when_its_operation_is_settled(lost, attempt):
    operation = lost(CAPTURE)
    Payment.objects.update(state=PaymentState.CONFLICTED)
    deliver(service, decided(operation, arrived=True))
    operation.refresh_from_db()
    assert operation.state == State.DONE
    assert Payment.objects.get().state == PaymentState.CONFLICTED


def test_who_decided_on_less_than_is_known_by_now_is_told_to_look_again(lost):
    operation = lost(CAPTURE)
    seen = seen_of_saga(saga_of(operation))
    with pytest.raises(OperationRejected, match="Look again"):
        settle_operation(operation.reference, arrived=True, by="ada", reason="x", seen="1.0")
    settle_operation(operation.reference, arrived=True, by="ada", reason="x", seen=seen)


@ANSWERS
def test_the_second_of_two_who_decide_is_told_what_the_first_said(lost, arrived):
    operation = lost(CAPTURE)
    settle_operation(operation.reference, arrived=True, by="ada", reason="x")
    with pytest.raises(OperationRejected, match="ada has said already: it arrived"):
        settle_operation(operation.reference, arrived=arrived, by="bob", reason="y")
    assert OutboxMessage.objects.filter(type="checkout.settle_books").count() == 1


@pytest.fixture
def lost_twice(lost, scenarios, attempt):
    """Return a capture that was lost, resent by staff and lost again, and the first decision's command."""
    operation = lost(CAPTURE)
    envelope = decided(operation, arrived=False)
    with scenarios.answer("capture", OutcomeUnknown("The connection broke.")):
        relay(deliver(service, envelope))
    saga = saga_of(operation)
    while saga.status != Saga.Status.PARKED:
        answered(saga, outcome="unknown")
    let_settle(attempt)
    return operation, envelope


def test_a_late_copy_of_a_decision_does_not_send_again_what_was_lost_once_more(lost_twice):
    _, envelope = lost_twice
    assert sent(deliver(service, replace(envelope, message_id=new_message_id()))) == []
    assert "More has become known" in too_late().data["why"]


def test_what_did_not_arrive_and_got_lost_once_more_can_be_settled_once_more(lost_twice):
    operation, _ = lost_twice
    deliver(service, decided(operation, arrived=True))
    operation.refresh_from_db()
    assert operation.state == State.DONE
    assert Fact.objects.filter(kind="operation_settled_by").count() == 2


@ANSWERS
def test_a_decision_that_comes_twice_is_carried_out_once(lost, order, arrived):
    operation = lost(CAPTURE)
    seen = seen_of_saga(saga_of(operation))
    first = deliver(service, to_settle(operation, arrived=arrived, seen=seen))
    relay(first)
    second = deliver(service, to_settle(operation, arrived=arrived, seen=seen))
    assert len(sent(first)) > 0
    assert sent(second) == []
    assert order.captured == gbp(0 if arrived else 1250)
    assert too_late().data["reference"] == operation.reference


@ANSWERS
def test_a_late_decision_after_the_opposite_one_changes_nothing(lost, order, arrived):
    operation = lost(CAPTURE)
    seen = seen_of_saga(saga_of(operation))
    relay(deliver(service, to_settle(operation, arrived=arrived, seen=seen)))
    operation.refresh_from_db()
    state = operation.state
    assert sent(deliver(service, to_settle(operation, arrived=not arrived, seen=seen))) == []
    operation.refresh_from_db()
    assert operation.state == state
    assert too_late().data["said"] == ("not_arrived" if arrived else "arrived")


@ANSWERS
def test_a_notification_that_settles_it_between_page_and_button_comes_first(lost, order, attempt, arrived):
    operation = lost(CAPTURE)
    envelope = decided(operation, arrived=arrived)
    Operation.objects.filter(pk=operation.pk).update(state=State.DONE)
    assert sent(deliver(service, envelope)) == []
    assert notified(attempt, "captured", operation.reference).commands
    operation.refresh_from_db()
    assert operation.state == State.DONE
    assert order.captured == gbp(0)
    assert "is done" in too_late().data["why"]


def test_the_money_of_what_did_not_arrive_was_nobody_else_s_to_take_meanwhile(lost, attempt, order):
    operation = lost(CAPTURE, 1000)
    reference = attempt.payment.reference
    with pytest.raises(AmountNotAvailable):
        request_capture(reference, amount=gbp(300), by="bob")
    request_capture(reference, amount=gbp(250), by="bob")
    delivered = deliver(service, decided(operation, arrived=False))
    with pytest.raises(AmountNotAvailable):
        request_capture(reference, amount=gbp(1), by="bob")
    relay(delivered)
    with pytest.raises(AmountNotAvailable):
        request_capture(reference, amount=gbp(1), by="bob")
    assert order.captured == gbp(1000)


def test_an_older_copy_of_the_request_that_comes_after_the_decision_sends_it_once(lost, order):
    operation = lost(CAPTURE)
    delivered = deliver(service, decided(operation, arrived=False))
    [again] = delivered.commands
    older = replace(again, message_id=new_message_id())
    deliver(payments.service, older)
    deliver(payments.service, again)
    assert order.captured == gbp(1250)


def test_a_refund_that_staff_say_arrived_is_in_doubt_no_more(lost, attempt):
    operation = lost(REFUND, 300)
    doubt(operation, SAID_TO_HAVE_FAILED)
    Saga.objects.filter(kind=REFUND).update(data={**saga_of(operation).data, "is_doubted": True})
    deliver(service, decided(operation, arrived=True))
    operation.refresh_from_db()
    assert (operation.doubt, operation.doubted_at) == ("", None)
    assert saga_of(operation).status == Saga.Status.COMPLETED


def test_a_refund_that_was_sent_a_moment_ago_cannot_be_said_to_have_failed(lost):
    """The report of the failure may be false, and a part of the refund may be being booked."""
    operation = lost(REFUND, 300, is_old=False)
    doubt(operation, SAID_TO_HAVE_FAILED)
    Saga.objects.filter(kind=REFUND).update(data={**saga_of(operation).data, "is_doubted": True})
    with pytest.raises(OperationRejected, match=r"may still be on its way"):
        settle_operation(operation.reference, arrived=False, by="ada", reason="It is said to have failed.")
    operation.refresh_from_db()
    assert operation.state == State.UNKNOWN


def test_a_done_refund_that_is_said_to_have_failed_is_booked_back_when_staff_say_so(lost, attempt):
    """If the provider reports no sums, only staff can find out what became of the refund."""
    operation = lost(REFUND, 300)
    relay(deliver(service, decided(operation, arrived=True)))
    saga = saga_of(operation)
    doubted = {**saga.data, "is_doubted": True, "is_booked": True}
    Saga.objects.filter(pk=saga.pk).update(status=Saga.Status.PARKED, step="inquire", data=doubted)
    delivered = deliver(service, decided(operation, arrived=False))
    [posting] = [each for each in delivered.commands if each.type == "ledger.post"]
    body = msgspec.json.decode(posting.body, type=PostEntries)
    assert (body.kind, body.minor) == ("refund_returned", 300)
    operation.refresh_from_db()
    assert (operation.state, operation.refusal_reason) == (State.REFUSED, "refund_failed")
    saga.refresh_from_db()
    assert saga.status == Saga.Status.COMPENSATED
