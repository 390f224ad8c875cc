"""Parked operations that reserve no money, and withdrawn operations, which are never sent again."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F

from checkout.conf import conf
from checkout.errors import OperationRejected, OutcomeUnknown
from checkout.payments import service as payments
from checkout.payments.actions import available, request_refund, resume_saga
from checkout.payments.books.ours import ours_of
from checkout.payments.checkout_messages import ResumeSaga
from checkout.payments.models import Attempt, Fact, Operation, Payment, ProviderCall, Saga
from checkout.payments.providers.base import Outcome, ProviderResult, Refusal, RefusalReason
from checkout.payments.sagas.pauses import DENIALS
from checkout.payments.sagas.service import service
from checkout.states import PaymentState
from tests.payments.service.asking import (
    authorise,
    carry_out,
    inquire_operation,
    let_settle,
    operation_on,
    to_capture,
    to_refund,
    to_void,
)
from tests.payments.service.delivering import command, deliver
from tests.payments.service.replying import answered
from tests.payments.service.settling import authorised, decided, relay, saga_of, started
from tests.support.memory_provider.books import Order

pytestmark = pytest.mark.django_db

CAPTURE, VOID, REFUND = Operation.Kind.CAPTURE, Operation.Kind.VOID, Operation.Kind.REFUND
State = Operation.State
KINDS = pytest.mark.parametrize("kind", [CAPTURE, VOID, REFUND])
SENTENCE = "Security violation Check the merchant code."
Making = Callable[[str], Operation]


@pytest.fixture
def order(attempt: Attempt, books: Any) -> Order:
    authorise(attempt, "approve")
    authorised(attempt)
    return books.orders[attempt.order_code]


@pytest.fixture
def begun(attempt: Attempt, order: Order) -> Making:
    """Return a function that makes an operation whose saga has sent its command, and that was not sent."""

    def make(kind: str) -> Operation:
        if kind == REFUND:
            operation_on(attempt, CAPTURE)
            Operation.objects.update(state=State.DONE)
            Payment.objects.update(state=PaymentState.CAPTURED)
            order.captured = order.amount
        operation = operation_on(attempt, kind)
        started(operation)
        return operation

    return make


@pytest.fixture
def denied(begun: Making, books: Any) -> Making:
    """Return a function that makes a parked operation that the account may not do for now."""

    def make(kind: str) -> Operation:
        operation = begun(kind)
        refusal = Refusal(reason=RefusalReason.PROVIDER_ERROR, description=SENTENCE)
        answer = ProviderResult(outcome=Outcome.NOT_ABLE, event="ERROR 4", refusal=refusal)
        books.scenarios.answer(kind, answer)
        for _ in range(DENIALS):
            assert carry_out(operation) == "not_able"
            answered(saga_of(operation), outcome="not_able", why=SENTENCE)
        operation.refresh_from_db()
        return operation

    return make


def lose(operation: Operation, books: Any) -> None:
    """Send the operation without an answer. It does not arrive."""
    with books.scenarios.answer(operation.kind, OutcomeUnknown("The connection broke.")):
        assert carry_out(operation) == "unknown"


def to_carry_out(operation: Operation) -> Any:
    return {"capture": to_capture, "void": to_void, "refund": to_refund}[operation.kind](operation)


def withdraw(operation: Operation) -> None:
    deliver(service, decided(operation, arrived=False, gives_up=True))
    operation.refresh_from_db()


def moved(order: Order) -> tuple[int, int, str]:
    return order.captured.minor, order.refunded.minor, str(order.state)


def left() -> dict[str, int | bool]:
    now = available(Payment.objects.get().reference)
    return {CAPTURE: now.capturable.minor, REFUND: now.refundable.minor, VOID: now.can_be_voided}


@KINDS
def test_staff_read_the_provider_s_sentence_and_the_money_is_free_while_it_is_parked(denied, kind):
    operation = denied(kind)
    assert saga_of(operation).status == Saga.Status.PARKED
    assert (operation.state, operation.parked_reason) == (State.REQUESTED, SENTENCE)
    assert left()[kind] == (True if kind == VOID else 1250)


@KINDS
def test_a_parked_operation_whose_copy_may_have_arrived_keeps_its_money(begun, books, kind):
    operation = begun(kind)
    lose(operation, books)
    ProviderCall.objects.filter(verb=kind).update(outcome="not_able", earlier_at=F("started_at"))
    Operation.objects.filter(pk=operation.pk).update(state=State.REQUESTED)
    for _ in range(DENIALS):
        answered(saga_of(operation), outcome="not_able", why=SENTENCE)
    operation.refresh_from_db()
    assert (operation.parked_reason, operation.is_idle) == (SENTENCE, False)
    assert not left()[kind]


@KINDS
def test_trying_again_takes_the_money_back(denied, order, books, kind):
    operation = denied(kind)
    books.scenarios.end()
    saga = saga_of(operation)
    resume_saga(saga.pk, by="ada")
    resumed = deliver(service, command(ResumeSaga(saga=saga.pk, version=saga.version)))
    assert not left()[kind]
    operation.refresh_from_db()
    assert operation.parked_reason == ""
    relay(resumed)
    operation.refresh_from_db()
    assert operation.state == State.PENDING


def test_trying_again_is_refused_if_others_have_got_the_money(denied, attempt):
    operation = denied(REFUND)
    request_refund(attempt.payment.reference, by="ada")
    saga = saga_of(operation)
    with pytest.raises(OperationRejected, match=r"0\.00 GBP is left to refund"):
        resume_saga(saga.pk, by="ada")
    with pytest.raises(OperationRejected, match=r"0\.00 GBP is left to refund"):
        decided(operation, arrived=False)
    deliver(service, command(ResumeSaga(saga=saga.pk, version=saga.version)))
    assert saga_of(operation).status == Saga.Status.PARKED
    assert "is left to refund" in Fact.objects.get(kind="saga_resumed_not_applied").data["why"]


@KINDS
def test_a_command_from_before_sends_nothing_that_is_parked_and_reserves_no_money(denied, order, books, kind):
    operation, before = denied(kind), moved(order)
    books.scenarios.end()
    carry_out(operation)
    assert (operation.state, moved(order)) == (State.REQUESTED, before)


@KINDS
@pytest.mark.parametrize("situation", ["parked", "at work"])
def test_what_is_withdrawn_and_cannot_be_at_the_provider_is_refused_at_once_and_never_leaves(
    request, order, books, kind, situation
):
    operation = request.getfixturevalue("denied" if situation == "parked" else "begun")(kind)
    late, before = to_carry_out(operation), moved(order)
    withdraw(operation)
    assert (operation.state, operation.refusal_reason) == (State.REFUSED, "withdrawn")
    assert saga_of(operation).status == Saga.Status.COMPENSATED
    books.scenarios.end()
    for envelope in (late, to_carry_out(operation)):
        deliver(payments.service, envelope)
    operation.refresh_from_db()
    assert (operation.state, moved(order)) == (State.REFUSED, before)


@KINDS
def test_what_was_sent_a_moment_ago_is_not_withdrawn_yet(begun, books, kind):
    operation = begun(kind)
    lose(operation, books)
    with pytest.raises(OperationRejected, match="It was sent a moment ago"):
        decided(operation, arrived=False, gives_up=True)


@KINDS
def test_a_withdrawal_by_what_a_parked_flow_showed_before_it_went_on_has_the_provider_asked(
    begun, attempt, books, settings, kind
):
    settings.CHECKOUT_INQUIRY_DELAYS = [1]
    operation = begun(kind)
    lose(operation, books)
    let_settle(attempt)
    while saga_of(operation).status != Saga.Status.PARKED:
        answered(saga_of(operation), outcome="unknown")
    decision = decided(operation, arrived=False, gives_up=True)
    saga = saga_of(operation)
    deliver(service, command(ResumeSaga(saga=saga.pk, version=saga.version)))
    deliver(service, decision)
    operation.refresh_from_db()
    assert (operation.state, operation.is_withdrawn) == (State.UNKNOWN, True)
    assert saga_of(operation).status == Saga.Status.RUNNING


@pytest.fixture
def lost(begun: Making, attempt: Attempt, books: Any) -> Making:
    """Return a function that makes an operation that was sent long ago and withdrawn meanwhile."""

    def make(kind: str) -> Operation:
        operation = begun(kind)
        lose(operation, books)
        let_settle(attempt)
        answered(saga_of(operation), outcome="unknown")
        withdraw(operation)
        return operation

    return make


@KINDS
def test_what_may_be_at_the_provider_is_not_refused_and_not_sent_again(lost, order, kind):
    operation, before = lost(kind), moved(order)
    assert (operation.state, operation.is_withdrawn) == (State.UNKNOWN, True)
    assert not left()[kind]
    carry_out(operation)
    assert (operation.state, moved(order)) == (State.UNKNOWN, before)


@KINDS
def test_it_is_not_sent_again_either_if_the_provider_s_answer_had_just_allowed_that(
    begun, attempt, order, books, kind
):
    operation, before = begun(kind), moved(order)
    lose(operation, books)
    let_settle(attempt)
    assert inquire_operation(operation) == "not_shown"
    withdraw(operation)
    carry_out(operation)
    assert (operation.state, operation.is_withdrawn, moved(order)) == (State.UNKNOWN, True, before)


def passed(operation: Operation, time: timedelta) -> None:
    ProviderCall.objects.filter(key=operation.reference).update(started_at=F("started_at") - time)


@KINDS
def test_it_is_refused_when_the_provider_does_not_show_it_and_it_cannot_wait_there_any_more(lost, kind):
    operation = lost(kind)
    assert inquire_operation(operation) == "unknown"
    passed(operation, conf.queue_time)
    assert inquire_operation(operation) == "refused"
    assert (operation.state, operation.refusal_reason) == (State.REFUSED, "withdrawn")


def test_a_capture_that_was_asked_for_with_the_authorisation_may_be_at_the_provider(begun, attempt):
    operation = begun(CAPTURE)
    Attempt.objects.filter(pk=attempt.pk).update(capture_reference=operation.reference)
    withdraw(operation)
    assert (operation.state, operation.is_withdrawn) == (State.UNKNOWN, True)


@pytest.mark.parametrize("kind", [CAPTURE, REFUND])
def test_it_is_done_if_the_provider_shows_it(lost, order, kind):
    operation = lost(kind)
    order.captured = order.amount
    if kind == REFUND:
        order.refunded = order.amount
    assert inquire_operation(operation) == "approved"
    assert operation.state == State.DONE


def _still_possible(attempt: Attempt) -> int:
    captures = ours_of(attempt).range(CAPTURE)
    return captures.after - captures.most


def test_only_what_may_have_been_sent_may_yet_be_made(lost, attempt):
    operation = lost(CAPTURE)
    Operation.objects.update(state=State.REFUSED, refusal_reason="withdrawn")
    assert _still_possible(attempt) == 1250
    ProviderCall.objects.filter(key=operation.reference).update(outcome="not_found")
    assert _still_possible(attempt) == 0


def test_a_withdrawn_one_is_not_sent_again_by_staff_either(lost, settings):
    settings.CHECKOUT_INQUIRY_DELAYS = [1]
    operation = lost(CAPTURE)
    while saga_of(operation).status != Saga.Status.PARKED:
        answered(saga_of(operation), outcome="unknown")
    with pytest.raises(OperationRejected, match="never sent again"):
        decided(operation, arrived=False)
    withdraw(operation)
    assert (operation.state, operation.refusal_reason) == (State.REFUSED, "withdrawn")
