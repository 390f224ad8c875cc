"""Movements in the provider's portal with the amount of an operation of ours that was not sent yet."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.utils import timezone

from checkout.errors import OutcomeUnknown, ProviderUnavailable
from checkout.payments.actions import available
from checkout.payments.books.ours import ours_of
from checkout.payments.models import Attempt, Fact, Operation, Payment, Saga
from checkout.payments.providers.base import EventKind
from checkout.payments.sagas.service import service as checkout
from checkout.payments.sagas.settlement.operation import TO_BE_SETTLED
from checkout.payments.service import service
from checkout.states import PaymentState
from tests.payments.service.asking import (
    carry_out,
    inquire_operation,
    let_settle,
    operation_on,
    settle,
    to_capture,
    to_refund,
)
from tests.payments.service.claiming import carried_out, checked, gbp
from tests.payments.service.delivering import Delivered, deliver
from tests.payments.service.replying import reply_to
from tests.payments.service.settling import decided, saga_of, started
from tests.payments.service.test_notification import body, notify, stored
from tests.payments.service.test_review import reviewed

pytestmark = pytest.mark.django_db

Kind, State = Operation.Kind, Operation.State
HELD = "perhaps_done_in_portal"


@pytest.fixture
def order(authorised, books):
    """Return the order of an attempt of 12.50 GBP. Both books have 10.00 captured."""
    settle(operation_on(authorised, Kind.CAPTURE, 1000), State.DONE)
    Payment.objects.update(state=PaymentState.PARTIALLY_CAPTURED)
    found = books.orders[authorised.order_code]
    found.captured = gbp(1000)
    return found


def told(attempt: Attempt, event: str, minor: int | None, reference: str = "", number: int = 1) -> Delivered:
    """Deliver the notification of a movement, and the resulting event."""
    amount = {"minor": minor} if minor is not None else {"minor": None, "currency": ""}
    text = body(attempt, event, reference=reference, number=number, **amount)
    delivered = notify(attempt, stored(attempt, text))
    for envelope in delivered.commands:
        deliver(checkout, envelope)
    return delivered


def tried_in_vain(operation: Operation, scenarios) -> Operation:
    """Send the operation while the provider cannot be reached."""

    with scenarios.answer(operation.kind, ProviderUnavailable("no connection")):
        assert carry_out(operation) == "not_sent"
    return operation


def send(operation: Operation) -> str:
    """Send the operation. Return the outcome, or the code of the rejection."""
    command = {Kind.CAPTURE: to_capture, Kind.REFUND: to_refund}[Kind(operation.kind)](operation)
    reply = deliver(service, command).reply
    operation.refresh_from_db()
    return str(reply.result["outcome"]) if reply.ok else reply.error.code


def refunds_there(order) -> int:
    return order.asked_for(EventKind.REFUNDED).minor


@pytest.mark.parametrize("event", ["REFUNDED", "REFUND_SENT"])
@pytest.mark.parametrize("minor", [500, None])
def test_a_refund_that_never_left_us_is_not_sent_after_one_like_it_was_made_in_the_portal(
    authorised, order, scenarios, event, minor
):
    ours = tried_in_vain(operation_on(authorised, Kind.REFUND, 500), scenarios)
    told(authorised, event, minor)
    assert send(ours) == HELD
    assert (ours.state, refunds_there(order)) == (State.REQUESTED, 0)


@pytest.mark.parametrize("event", ["CAPTURED", "SETTLED"])
def test_neither_is_a_capture(authorised, order, event):
    ours = operation_on(authorised, Kind.CAPTURE, 250)
    told(authorised, event, 250)
    assert send(ours) == HELD
    assert order.asked_for(EventKind.CAPTURED) == gbp(1000)


@pytest.mark.parametrize(
    "how",
    ["of another amount", "names ours", "ours may have arrived", "another of ours explains it", "a hint"],
)
def test_it_is_sent_if_the_movement_cannot_be_one_instead_of_ours(authorised, order, scenarios, how):
    ours = operation_on(authorised, Kind.REFUND, 500)
    if how == "of another amount":
        told(authorised, "REFUNDED", 400)
    elif how == "another of ours explains it":
        another = operation_on(authorised, Kind.REFUND, 500)
        settle(another, State.PENDING)
        told(authorised, "REFUNDED", 500)
    elif how == "names ours":
        told(authorised, "REFUND_SENT", 500, ours.reference)
        settle(ours, State.REQUESTED)
    elif how == "a hint":
        notify(authorised, stored(authorised, body(authorised, "REFUNDED", minor=500), is_proven=False))
    else:
        carry_out(ours)
        settle(ours, State.UNKNOWN)
        told(authorised, "REFUNDED", 500)
        assert send(ours) == "unknown"
        return
    assert send(ours) == "pending"


@pytest.mark.parametrize(("kind", "event"), [(Kind.REFUND, "REFUNDED"), (Kind.CAPTURE, "CAPTURED")])
def test_a_lost_operation_is_not_sent_again_after_a_movement_like_it_that_the_provider_does_not_show_yet(
    authorised, order, scenarios, kind, event
):
    """Either the movement is ours, or somebody has made it in place of ours. The answer is an old one."""
    ours = operation_on(authorised, kind, 250)
    with scenarios.answer(kind, OutcomeUnknown("lost")):
        carry_out(ours)
    let_settle(authorised)
    assert inquire_operation(ours) == "not_shown"
    told(authorised, event, 250)
    assert send(ours) == "unknown"
    assert inquire_operation(ours) == "undecided"
    assert order.asked_for(EventKind(event.lower())) == gbp(1000 if kind == Kind.CAPTURE else 0)
    order.captured, order.refunded = (gbp(1250), gbp(0)) if kind == Kind.CAPTURE else (gbp(1000), gbp(250))
    assert inquire_operation(ours) == "approved"


def test_the_provider_is_asked_about_such_a_movement_and_confirms_that_it_is_none_of_ours(
    authorised, order, scenarios
):
    ours = tried_in_vain(operation_on(authorised, Kind.REFUND, 500), scenarios)
    order.refunded = gbp(500)
    told(authorised, "REFUNDED", 500)
    saga = Saga.objects.get(kind="asking")
    assert (saga.data["claim"], saga.data["minor"]) == ("refunded", 500)
    assert checked(authorised, 500) == "confirmed"
    ours.refresh_from_db()
    assert ours.state == State.REQUESTED


def held(attempt: Attempt, minor: int = 500) -> Operation:
    """Return a refund whose saga has tried to send it after an equal movement."""
    ours = operation_on(attempt, Kind.REFUND, minor)
    started(ours)
    told(attempt, "REFUNDED", minor)
    reply_to(saga_of(ours), deliver(service, to_refund(ours)).reply)
    return ours


def test_the_money_of_a_held_operation_is_not_free(authorised, order):
    before = available(authorised.payment.reference).refundable.minor
    assert saga_of(held(authorised)).status == Saga.Status.PARKED
    assert available(authorised.payment.reference).refundable.minor == before - 500


def test_the_flow_of_a_held_operation_waits_for_staff_who_are_asked_whether_it_was_done_in_the_portal(
    authorised, order
):
    ours = held(authorised)
    assert saga_of(ours).status == Saga.Status.PARKED
    fact = Fact.objects.filter(kind="saga_parked").latest("pk")
    assert "if somebody has made it in the provider's portal instead" in fact.data["why"]
    assert Operation.objects.filter(TO_BE_SETTLED).get() == ours


def test_staff_who_withdraw_it_have_the_movement_adopted(authorised, order):
    ours = held(authorised)
    order.refunded = gbp(500)
    carried_out(decided(ours, arrived=False, gives_up=True), saga_of(ours))
    ours.refresh_from_db()
    assert ours.state == State.REFUSED
    Payment.objects.update(state=PaymentState.CONFLICTED)
    assert reviewed(authorised) == "held"
    adopted = Operation.objects.filter(kind=Kind.REFUND).exclude(pk=ours.pk).get()
    assert (adopted.state, adopted.amount) == (State.DONE, gbp(500))


def test_nothing_is_adopted_while_it_may_still_be_sent(authorised, order):
    held(authorised)
    order.refunded = gbp(500)
    Payment.objects.update(state=PaymentState.CONFLICTED)
    assert reviewed(authorised) == "stands"


def test_staff_who_say_that_it_is_to_be_sent_have_it_sent(authorised, order):
    ours = held(authorised)
    carried_out(decided(ours, arrived=False), saga_of(ours))
    assert send(ours) == "pending"
    assert refunds_there(order) == 500


def test_another_movement_after_their_decision_holds_it_again(authorised, order):
    ours = held(authorised)
    carried_out(decided(ours, arrived=False), saga_of(ours))
    told(authorised, "REFUNDED", 500, number=2)
    assert send(ours) == HELD


def test_a_movement_that_was_told_long_before_ours_was_requested_does_not_hold_it(authorised, order):
    told(authorised, "REFUNDED", 500)
    ours = operation_on(authorised, Kind.REFUND, 500)
    Operation.objects.filter(pk=ours.pk).update(created_at=timezone.now() + timedelta(hours=1))
    ours.refresh_from_db()
    assert send(ours) == "pending"


def test_if_the_provider_refuses_what_staff_have_sent_it_is_refused(authorised, order):
    """No other copy can explain the refusal."""
    ours = held(authorised)
    carried_out(decided(ours, arrived=False), saga_of(ours))
    order.refunded = gbp(1000)
    order.manners = replace(order.manners, checks_amounts=True)
    assert send(ours) == "refused"


def test_an_operation_that_was_withdrawn_without_being_sent_is_not_expected_in_the_provider_s_sums(
    authorised, order
):
    withdrawn = held(authorised)
    carried_out(decided(withdrawn, arrived=False, gives_up=True), saga_of(withdrawn))
    assert ours_of(authorised).range(Kind.REFUND).after == 0
