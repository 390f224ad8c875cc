"""The orchestrator carries out a saga's decision once, in one transaction, by the first of several copies."""

from typing import Any

import msgspec
import pytest
from django.utils import timezone

from checkout.errors import OperationRejected
from checkout.payments.actions import cancel_payment, resume_saga
from checkout.payments.checkout_messages import (
    CompleteChallenge,
    PassDeadline,
    ResumeSaga,
    StartOperation,
    SubmitPayment,
)
from checkout.payments.models import Attempt, Event, Fact, Operation, OutboxMessage, Payment, Saga, SagaStep
from checkout.payments.sagas.service import service
from checkout.states import PaymentState
from messaging.envelope import Envelope, Reply, new_message_id
from tests.payments.service.asking import authorise, inquire, let_settle, operation_on
from tests.payments.service.delivering import Delivered, command, deliver
from tests.payments.service.replying import (
    answered,
    answered_with_an_error,
    commands_of,
    deliver_reply,
    notified,
)
from tests.support.memory_provider.books import Order, OrderState

pytestmark = pytest.mark.django_db
Status = Saga.Status


@pytest.fixture
def purchase(attempt: Attempt) -> Saga:
    body = SubmitPayment(payment=attempt.payment.reference, attempt=attempt.order_code)
    deliver(service, command(body, sealed="approve"))
    return Saga.objects.get(kind="purchase")


def test_a_purchase_knows_what_services_of_others_need(attempt: Attempt):
    Payment.objects.update(locale="de-AT")
    attempt.payment.refresh_from_db()
    payment = attempt.payment
    body = SubmitPayment(payment=payment.reference, attempt=attempt.order_code)
    deliver(service, command(body, sealed="approve"))
    data = Saga.objects.get(kind="purchase").data
    assert (data["merchant_code"], data["locale"]) == (payment.merchant.code, "de-AT")
    assert (data["merchant"], data["order_reference"]) == (payment.merchant.name, payment.order_reference)


@pytest.fixture
def capturing(purchase: Saga) -> Saga:
    """Return a purchase whose capture has just been requested."""
    answered(purchase, decision="accept")
    answered(purchase, reserved=True)
    Attempt.objects.update(state=Attempt.State.AUTHORISED)
    answered(purchase, outcome="approved")
    return purchase


def child_of(saga: Saga) -> Saga:
    return Saga.objects.filter(parent=saga).latest("pk")


def state() -> str:
    return Payment.objects.get().state


def settle(state: str) -> None:
    Operation.objects.update(state=state)


def announced() -> list[str]:
    """Return the types of the payment's own events, which the relay publishes."""
    written = Event.objects.filter(type__startswith="payment.")
    return list(written.order_by("pk").values_list("type", flat=True))


def pass_deadline(saga: Saga, version: int | None = None) -> Delivered:
    body = PassDeadline(saga=saga.pk, version=saga.version if version is None else version)
    delivered = deliver(service, command(body))
    saga.refresh_from_db()
    return delivered


def resume(saga: Saga) -> Delivered:
    resume_saga(saga.pk, by="ada")
    row = OutboxMessage.objects.get(type="checkout.resume_saga")
    body = msgspec.json.decode(row.body, type=ResumeSaga)
    delivered = deliver(service, command(body))
    saga.refresh_from_db()
    return delivered


def deliver_row(type: str) -> Delivered:
    """Deliver the message of this type that the relay would publish."""
    row = OutboxMessage.objects.get(type=type)
    return deliver(service, command(service.commands[type].decode(row.body.encode())))


def test_a_submission_whose_card_is_lost_ends_before_anybody_is_asked(attempt):
    body = SubmitPayment(payment=attempt.payment.reference, attempt=attempt.order_code)
    delivered = deliver(service, command(body))
    assert delivered.commands == []
    assert delivered.result["state"] == "refused"
    attempt.refresh_from_db()
    assert (attempt.state, Saga.objects.get().status) == (Attempt.State.NOT_SENT, Status.COMPENSATED)
    assert Payment.objects.get().refusal_reason == "card_not_received"


def test_an_automatic_capture_is_a_saga_of_its_own_with_an_operation(capturing):
    child = child_of(capturing)
    assert (child.kind, child.step, child.payment, child.attempt) == (
        "capture",
        "capture",
        capturing.payment,
        capturing.attempt,
    )
    operation = Operation.objects.get()
    assert (operation.reference, operation.amount_minor, operation.kind) == (child.key, 1250, "capture")
    assert operation.requested_by == "the purchase"
    assert (capturing.step, capturing.status, capturing.awaiting) == ("capture", Status.RUNNING, "")
    assert state() == PaymentState.PROCESSING


def test_an_accepted_capture_moves_payment_and_purchase_in_one_transaction(capturing):
    settle(Operation.State.PENDING)
    delivered = answered(child_of(capturing), outcome="pending")
    assert sorted(commands_of(delivered)) == ["ledger.post", "orders.confirm"]
    assert state() == PaymentState.CAPTURE_PENDING
    assert announced() == ["payment.capture_pending"]
    assert not Fact.objects.filter(kind__endswith="_not_applied").exists()
    capturing.refresh_from_db()
    assert capturing.step == "confirm_order"


def test_a_capture_of_unknown_outcome_keeps_the_purchase_waiting(capturing):
    settle(Operation.State.UNKNOWN)
    version = capturing.version
    answered(child_of(capturing), outcome="unknown")
    assert OutboxMessage.objects.filter(type="payments.inquire_operation").exists()
    capturing.refresh_from_db()
    assert (capturing.step, capturing.status) == ("capture", Status.RUNNING)
    assert capturing.version == version + 1
    assert state() == PaymentState.CONFIRMING
    answered(child_of(capturing), outcome="unknown")
    assert not Fact.objects.filter(kind__endswith="_not_applied").exists(), "hearing it again is no news"


def test_a_parked_child_parks_its_parent_and_both_go_on_when_one_is_resumed(capturing):
    child = child_of(capturing)
    answered_with_an_error(child)
    capturing.refresh_from_db()
    assert (child.status, capturing.status) == (Status.PARKED, Status.PARKED)
    assert commands_of(resume(capturing)) == ["payments.capture"]
    child.refresh_from_db()
    assert (child.status, capturing.status) == (Status.RUNNING, Status.RUNNING)


def test_a_parked_child_that_goes_on_takes_its_parent_along(capturing):
    child = child_of(capturing)
    answered_with_an_error(child)
    assert commands_of(resume(child)) == ["payments.capture"]
    settle(Operation.State.PENDING)
    answered(child, outcome="pending")
    capturing.refresh_from_db()
    assert (capturing.status, capturing.step) == (Status.RUNNING, "confirm_order")


@pytest.mark.parametrize(("end", "goes_on_to"), [("completed", "confirm_order"), ("compensated", "void")])
def test_a_child_that_ended_unheard_says_so_again_when_its_parent_is_resumed(capturing, end, goes_on_to):
    Saga.objects.filter(parent=capturing).update(status=end)
    Saga.objects.filter(pk=capturing.pk).update(status=Status.PARKED)
    resume(capturing)
    assert (capturing.status, capturing.step) == (Status.RUNNING, goes_on_to)


def test_a_contradiction_that_comes_after_the_purchase_has_ended_reaches_the_payment(purchase, books):
    answered(purchase, decision="accept")
    answered(purchase, reserved=True)
    attempt = purchase.attempt
    authorise(attempt, "lost")
    let_settle(attempt)
    inquire(attempt)
    answered(purchase, outcome="not_sent")
    answered(purchase)
    assert (state(), purchase.status) == (PaymentState.REFUSED, Status.COMPENSATED)
    books.orders[attempt.order_code] = Order(
        order_code=attempt.order_code,
        session_id=attempt.session_id,
        amount=attempt.payment.amount,
        state=OrderState.AUTHORISED,
    )
    assert inquire(attempt).result["outcome"] == "conflicted"
    deliver_row("checkout.apply_provider_event")
    assert state() == PaymentState.CONFLICTED


def test_parking_is_a_fact_with_its_reason(capturing):
    answered_with_an_error(child_of(capturing))
    facts = Fact.objects.filter(kind="saga_parked").order_by("pk")
    assert [fact.data["saga"] for fact in facts] == ["capture", "purchase"]
    assert "It did not work." in facts[0].data["why"]


def test_the_reply_that_a_parked_saga_waited_for_still_counts(purchase):
    answered(purchase, decision="accept")
    answered(purchase, reserved=True)
    answered(purchase, outcome="unknown")
    Saga.objects.update(status=Status.PARKED, deadline_at=None)
    answered(purchase, outcome="refused")
    assert (purchase.status, purchase.step) == (Status.RUNNING, "release_stock")


def test_a_second_reply_changes_nothing(purchase):
    awaited = purchase.awaiting
    answered(purchase, decision="accept")
    reply = Envelope(
        type="reply",
        body=Reply.success({"decision": "reject"}).encode(),
        message_id=new_message_id(),
        correlation_id=awaited,
    )
    assert deliver_reply(reply).outgoing == []
    purchase.refresh_from_db()
    assert purchase.step == "reserve_stock"


def test_a_second_reply_to_what_the_first_has_parked_changes_nothing(purchase):
    answered(purchase, decision="accept")
    answered(purchase, reserved=True)
    awaited = purchase.awaiting
    answered(purchase, outcome="conflicted")
    assert (purchase.step, purchase.status) == ("conflicted", Status.PARKED)
    reply = Envelope(
        type="reply", body=Reply.success({"outcome": "approved"}).encode(), correlation_id=awaited
    )
    assert deliver_reply(reply).outgoing == []
    purchase.refresh_from_db()
    assert (purchase.step, purchase.status) == ("conflicted", Status.PARKED)


def test_a_deadline_of_an_earlier_step_changes_nothing(purchase):
    version = purchase.version
    answered(purchase, decision="accept")
    assert pass_deadline(purchase, version).outgoing == []
    assert purchase.step == "reserve_stock"


def test_a_shopper_who_came_back_just_before_the_deadline_passed_is_let_through(purchase):
    answered(purchase, decision="accept")
    answered(purchase, reserved=True)
    answered(purchase, outcome="challenge_required")
    Attempt.objects.update(state=Attempt.State.CHALLENGE_RETURNED)
    Payment.objects.update(state=PaymentState.PROCESSING)
    assert commands_of(pass_deadline(purchase)) == ["payments.inquire"]
    body = CompleteChallenge(payment=purchase.payment.reference, attempt=purchase.key)
    delivered = deliver(service, command(body))
    assert commands_of(delivered) == ["payments.complete_challenge"]
    assert Attempt.objects.get().state == Attempt.State.CHALLENGE_RETURNED, "it is still to be completed"


def test_the_ledger_is_told_and_nobody_waits_for_it(capturing):
    """The saga records no step for it, and the message asks for no reply."""
    capture = child_of(capturing)
    settle(Operation.State.PENDING)
    steps = SagaStep.objects.count()
    delivered = answered(capture, outcome="pending")
    [posting] = [each for each in delivered.commands if each.type == "ledger.post"]
    assert (posting.reply_to, posting.correlation_id) == ("", "")
    assert OutboxMessage.objects.get(message_id=posting.message_id).subject == capture.payment.reference
    assert SagaStep.objects.count() == steps + 1, "the order is to be confirmed"
    assert (capture.step, capture.awaiting) == ("await_provider", "")


def test_a_capture_refused_while_the_order_is_being_confirmed_is_not_forgotten(capturing):
    capture = child_of(capturing)
    settle(Operation.State.PENDING)
    answered(capture, outcome="pending")
    settle(Operation.State.REFUSED)
    pass_deadline(capture)
    answered(capture, outcome="refused")
    capturing.refresh_from_db()
    assert (capturing.step, capturing.status) == ("confirm_order", Status.RUNNING)
    answered(capturing)
    assert (capturing.step, capturing.status) == ("unpaid", Status.PARKED)


def test_an_unknown_step_is_parked_with_a_reason_and_goes_on_when_it_is_known(capturing):
    child = child_of(capturing)
    Saga.objects.filter(pk=child.pk).update(step="a_step_of_tomorrow")
    assert answered(child, outcome="pending").outgoing == []
    assert child.status == Status.PARKED
    assert "a_step_of_tomorrow" in Fact.objects.get(kind="saga_parked").data["why"]
    assert resume(child).outgoing == []
    Saga.objects.filter(pk=child.pk).update(step="capture")
    OutboxMessage.objects.filter(type="checkout.resume_saga").delete()
    assert commands_of(resume(child)) == ["payments.capture"]


@pytest.mark.parametrize("step", ["own_gone", "undo_gone"])
def test_a_purchase_at_a_step_of_ones_own_that_was_removed_says_what_staff_can_do(purchase, step):
    Saga.objects.update(step=step)
    answered(purchase, decision="accept")
    assert purchase.status == Status.PARKED
    assert "Configure this step of your own again" in Fact.objects.get(kind="saga_parked").data["why"]


@pytest.mark.parametrize("damage", ["kind", "data"])
def test_what_cannot_be_read_is_parked_and_not_lost(purchase, damage):
    changes: dict[str, dict[str, Any]] = {
        "kind": {"kind": "of_tomorrow"},
        "data": {"data": {"payment": 7}},
    }
    Saga.objects.update(**changes[damage])
    assert answered(purchase, decision="accept").outgoing == []
    assert purchase.status == Status.PARKED
    assert Fact.objects.filter(kind="saga_parked").exists()


def test_data_without_a_field_that_was_added_since_is_understood(purchase):
    del purchase.data["tries"]
    purchase.save()
    answered(purchase, decision="accept")
    assert purchase.data["tries"] == 0


def test_an_ended_saga_of_another_release_is_left_alone(capturing):
    Saga.objects.update(status=Status.COMPLETED, step="a_step_of_yesterday")
    notified(capturing.attempt, "captured")
    flows = Saga.objects.exclude(kind="asking")
    assert set(flows.values_list("status", flat=True)) == {Status.COMPLETED}


def test_an_operation_is_started_once(attempt):
    Attempt.objects.update(state=Attempt.State.AUTHORISED)
    operation = operation_on(attempt, "capture")
    body = StartOperation(payment=attempt.payment.reference, operation=operation.reference)
    assert commands_of(deliver(service, command(body))) == ["payments.capture"]
    assert commands_of(deliver(service, command(body))) == []


def test_an_operation_of_another_payment_is_not_started(attempt):
    operation = operation_on(attempt, "capture")
    body = StartOperation(payment="pay_other", operation=operation.reference)
    delivered = deliver(service, command(body))
    assert delivered.reply.error.code == "operation_not_found"


def test_only_a_parked_saga_can_be_resumed_and_that_once(capturing):
    with pytest.raises(OperationRejected):
        resume_saga(capturing.pk, by="ada")
    with pytest.raises(OperationRejected):
        resume_saga(0, by="ada")
    answered_with_an_error(child_of(capturing))
    resume_saga(capturing.pk, by="ada")
    resume_saga(capturing.pk, by="bob")
    rows = OutboxMessage.objects.filter(type="checkout.resume_saga").order_by("pk")
    sent = [
        commands_of(
            deliver(
                service,
                command(msgspec.json.decode(row.body, type=ResumeSaga)),
            )
        )
        for row in rows
    ]
    assert sent == [["payments.capture"], []]
    assert Fact.objects.filter(kind="saga_resumed").count() == 2


@pytest.mark.parametrize("before", [PaymentState.OPEN, PaymentState.REFUSED])
def test_a_payment_that_nobody_has_paid_can_be_cancelled_and_that_is_announced(attempt, before):
    Payment.objects.update(state=before)
    cancel_payment(attempt.payment.reference, by="ada")
    assert state() == PaymentState.CANCELLED
    assert Fact.objects.get(kind="cancelled").data == {"by": "ada"}
    row = OutboxMessage.objects.get(type="checkout.announce_payment")
    handler = service.commands[row.type]
    delivered = deliver(service, command(handler.decode(row.body.encode())))
    assert delivered.commands == []
    assert announced() == ["payment.cancelled"]


def test_a_payment_that_is_being_paid_is_only_called_off_and_not_once_its_money_is_held(purchase):
    cancel_payment(purchase.payment.reference, by="ada")
    assert state() == PaymentState.PROCESSING
    Attempt.objects.update(state="authorised", called_off_at=None)
    with pytest.raises(OperationRejected):
        cancel_payment(purchase.payment.reference, by="ada")


def test_a_step_that_has_a_deadline_gets_one_by_the_settings(purchase, settings):
    settings.CHECKOUT_SERVICE_WAIT_SECONDS = 5
    answered(purchase, decision="accept")
    assert purchase.deadline_at is not None
    assert 0 < (purchase.deadline_at - timezone.now()).total_seconds() <= 5
