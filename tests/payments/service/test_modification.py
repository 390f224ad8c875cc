"""Capture, void and refund, each with an operation of its own."""

from dataclasses import replace
from datetime import timedelta

import msgspec
import pytest
from django.utils import timezone

from checkout.money import Money
from checkout.payments.checkout_messages import ApplyProviderEvent
from checkout.payments.models import (
    Attempt,
    Fact,
    Operation,
    OutboxMessage,
    Payment,
    ProviderAccount,
    ProviderCall,
)
from checkout.payments.providers.base import Outcome, ProviderResult
from checkout.payments.service import service
from tests.payments.service.asking import (
    authorise,
    carry_out,
    operation_on,
    settle,
    to_capture,
    to_refund,
    to_void,
)
from tests.payments.service.delivering import deliver
from tests.support.memory_provider.books import Manners

pytestmark = pytest.mark.django_db


@pytest.fixture
def authorised(attempt) -> Attempt:
    authorise(attempt, "approve")
    return attempt


def test_a_capture_that_the_provider_takes_is_pending(authorised, books):
    operation = operation_on(authorised, Operation.Kind.CAPTURE)
    assert deliver(service, to_capture(operation)).result["outcome"] == "pending"
    operation.refresh_from_db()
    assert operation.state == Operation.State.PENDING
    assert books.orders[authorised.order_code].captured == Money(1250, "GBP")
    assert ProviderCall.objects.get(key=operation.reference).verb == "capture"
    assert Fact.objects.get(kind="capture_pending").data["reference"] == operation.reference


@pytest.mark.parametrize("outcome", [Outcome.NOT_FOUND, Outcome.NOT_ABLE])
@pytest.mark.parametrize("kind", ["capture", "void", "refund"])
def test_what_the_provider_does_not_carry_out_is_told_apart_and_may_be_sent_again(
    authorised, scenarios, kind, outcome
):
    operation = operation_on(authorised, kind)
    answer = ProviderResult(outcome=outcome, order_code=authorised.order_code, event="ERROR")
    scenarios.answer(kind, answer)
    assert (carry_out(operation), operation.state) == (outcome, Operation.State.REQUESTED)
    assert ProviderCall.objects.get(key=operation.reference).outcome == outcome
    scenarios.end()
    assert carry_out(operation) != outcome


def test_the_same_capture_is_not_sent_twice(authorised, books):
    operation = operation_on(authorised, Operation.Kind.CAPTURE, minor=500)
    deliver(service, to_capture(operation))
    assert deliver(service, to_capture(operation)).result["outcome"] == "pending"
    assert books.orders[authorised.order_code].captured == Money(500, "GBP")


def test_a_capture_of_more_than_was_authorised_is_refused(authorised):
    operation = operation_on(authorised, Operation.Kind.CAPTURE, minor=9999)
    result = deliver(service, to_capture(operation)).result
    assert (result["outcome"], result["refusal_reason"]) == ("refused", "invalid_request")
    operation.refresh_from_db()
    assert operation.state == Operation.State.REFUSED


@pytest.mark.parametrize("kind", [Operation.Kind.CAPTURE, Operation.Kind.REFUND])
def test_an_amount_that_the_account_cannot_send_is_refused_and_not_tried_for_ever(authorised, kind):
    """The account was changed after the request; nothing was sent, and nothing ever could be."""
    Payment.objects.update(currency="HUF")
    operation = operation_on(authorised, kind, minor=505)
    Operation.objects.update(currency="HUF")
    operation.refresh_from_db()
    ProviderAccount.objects.update(options={"exponents": "HUF=0"})
    asks = to_capture if kind == Operation.Kind.CAPTURE else to_refund
    result = deliver(service, asks(operation)).result
    assert (result["outcome"], result["refusal_reason"]) == ("refused", "invalid_request")
    operation.refresh_from_db()
    assert operation.state == Operation.State.REFUSED
    assert ProviderCall.objects.get(key=operation.reference).outcome == "refused"
    assert "5.05 HUF" in str(Fact.objects.get(kind=f"{kind}_refused").data)


def test_a_void_releases_the_authorisation(authorised, books):
    operation = operation_on(authorised, Operation.Kind.VOID)
    assert deliver(service, to_void(operation)).result["outcome"] == "pending"
    assert books.orders[authorised.order_code].state == "cancelled"


def test_a_refund_gives_money_back_once(authorised, books):
    deliver(service, to_capture(operation_on(authorised, Operation.Kind.CAPTURE)))
    refund = operation_on(authorised, Operation.Kind.REFUND, minor=300)
    envelope = to_refund(refund)
    assert deliver(service, envelope).result["outcome"] == "pending"
    assert deliver(service, envelope).result["outcome"] == "pending"
    assert books.orders[authorised.order_code].refunded == Money(300, "GBP")


@pytest.mark.parametrize("state", [Operation.State.UNKNOWN, Operation.State.PENDING])
def test_a_refusal_that_comes_after_another_copy_was_sent_refuses_nothing(authorised, scenarios, state):
    operation = operation_on(authorised, Operation.Kind.CAPTURE)
    refusal = ProviderResult(outcome=Outcome.REFUSED, order_code=authorised.order_code, event="ERROR")

    scenarios.answer("capture", refusal)
    scenarios.before("capture", lambda: settle(operation, state))
    assert deliver(service, to_capture(operation)).result["outcome"] == state
    operation.refresh_from_db()
    assert operation.state == state


def test_what_was_not_sent_may_be_sent_again_with_the_same_key(authorised, books, settings):
    operation = operation_on(authorised, Operation.Kind.CAPTURE)
    settings.CHECKOUT_PROVIDER_CREDENTIALS = {}
    assert deliver(service, to_capture(operation)).result["outcome"] == "not_able"
    operation.refresh_from_db()
    assert operation.state == Operation.State.REQUESTED
    settings.CHECKOUT_PROVIDER_CREDENTIALS = {"twin": {}}
    assert deliver(service, to_capture(operation)).result["outcome"] == "pending"
    assert ProviderCall.objects.filter(key=operation.reference).count() == 1


def test_the_redelivery_of_what_was_not_sent_is_not_sent_after_all(authorised, books, settings):
    operation = operation_on(authorised, Operation.Kind.CAPTURE)
    envelope = to_capture(operation)
    settings.CHECKOUT_PROVIDER_CREDENTIALS = {}
    deliver(service, envelope)
    settings.CHECKOUT_PROVIDER_CREDENTIALS = {"twin": {}}
    assert deliver(service, envelope).result["outcome"] == "not_able"
    assert books.orders[authorised.order_code].captured == Money(0, "GBP")


@pytest.mark.parametrize("card", ["unknown", "challenge", "refuse"])
def test_nothing_is_captured_that_is_not_authorised(attempt, books, card):
    authorise(attempt, card)
    operation = operation_on(attempt, Operation.Kind.CAPTURE)
    assert deliver(service, to_capture(operation)).reply.error.code == "not_authorised"
    assert not ProviderCall.objects.filter(key=operation.reference).exists()


@pytest.mark.parametrize(("kind", "command"), [("void", to_void), ("refund", to_refund)])
def test_nothing_is_undone_while_the_outcome_is_unknown(attempt, books, kind, command):
    authorise(attempt, "unknown")
    assert deliver(service, command(operation_on(attempt, kind))).reply.error.code == "outcome_open"
    assert books.orders[attempt.order_code].state == "authorised"


def test_a_command_about_another_amount_than_its_operation_is_an_error(authorised):
    operation = operation_on(authorised, Operation.Kind.CAPTURE)
    assert deliver(service, to_capture(operation, minor=1)).reply.error.code == "amount_differs"


def test_a_command_about_another_kind_of_operation_is_an_error(authorised):
    operation = operation_on(authorised, Operation.Kind.REFUND)
    assert deliver(service, to_capture(operation)).reply.error.code == "operation_not_found"


@pytest.mark.parametrize(
    "told", [{"amount": Money(999, "GBP")}, {"amount": Money(1250, "EUR")}, {"order_code": "another-1"}]
)
@pytest.mark.parametrize("outcome", [Outcome.PENDING, Outcome.APPROVED])
def test_an_answer_about_other_money_than_was_asked_for_ends_nothing_and_is_left_to_staff(
    authorised, scenarios, told, outcome
):
    result = replace(ProviderResult(outcome=outcome, order_code=authorised.order_code, event="ok"), **told)
    scenarios.answer("capture", result)
    operation = operation_on(authorised, Operation.Kind.CAPTURE)
    delivered = deliver(service, to_capture(operation))
    assert delivered.result["outcome"] == "conflicted"
    operation.refresh_from_db()
    authorised.refresh_from_db()
    assert (operation.state, authorised.state) == (Operation.State.UNKNOWN, Attempt.State.CONFLICTED)
    [event] = OutboxMessage.objects.filter(type=ApplyProviderEvent.to)
    told_to_sagas = msgspec.json.decode(event.body, type=ApplyProviderEvent)
    assert (told_to_sagas.kind, told_to_sagas.attempt) == ("conflicted", authorised.order_code)


def test_a_void_that_is_refused_may_have_nothing_left_to_release_so_the_provider_is_asked(
    authorised, scenarios
):
    refusal = ProviderResult(outcome=Outcome.REFUSED, order_code=authorised.order_code, event="ERROR")
    scenarios.answer("void", refusal)
    operation = operation_on(authorised, Operation.Kind.VOID)
    assert deliver(service, to_void(operation)).result["outcome"] == "unknown"
    operation.refresh_from_db()
    assert operation.state == Operation.State.UNKNOWN


@pytest.mark.parametrize(
    ("kind", "command"), [("capture", to_capture), ("void", to_void), ("refund", to_refund)]
)
def test_the_provider_gets_back_what_it_wanted_back_with_the_next_message(
    authorised, scenarios, kind, command
):
    """With those cookies, the provider may find the machine that knows the order."""
    deliver(service, command(operation_on(authorised, kind)))
    sent = scenarios.asked[kind]
    assert [each.session_state for each in sent] == [authorised.session_state]
    assert authorised.session_state


def test_a_capture_whose_outcome_is_unknown_is_not_sent_again_by_the_same_command(
    authorised, books, scenarios
):
    books.orders[authorised.order_code].manners = Manners(deduplicates=False)
    scenarios.lose_answer("capture")
    operation = operation_on(authorised, Operation.Kind.CAPTURE, minor=500)
    outcomes = [deliver(service, to_capture(operation)).result["outcome"] for _ in range(2)]
    assert (outcomes, len(scenarios.asked["capture"])) == (["unknown"] * 2, 1)
    assert books.orders[authorised.order_code].captured == Money(500, "GBP")


def test_the_late_answer_of_an_earlier_request_does_not_end_the_one_that_was_sent_since(
    authorised, scenarios
):
    operation = operation_on(authorised, Operation.Kind.CAPTURE)
    accepted = ProviderResult(outcome=Outcome.PENDING, order_code=authorised.order_code)
    again = timezone.now() + timedelta(minutes=5)

    def another_copy_is_sent() -> None:
        ProviderCall.objects.filter(key=operation.reference).update(started_at=again)

    scenarios.answer("capture", accepted)
    scenarios.before("capture", another_copy_is_sent)
    deliver(service, to_capture(operation))
    call = ProviderCall.objects.get(key=operation.reference)
    assert (call.outcome, call.finished_at) == ("", None)


@pytest.mark.parametrize(
    ("state", "is_alone"),
    [("pending", False), ("unknown", False), ("done", True), ("refused", True)],
)
def test_the_order_s_next_event_may_be_that_of_another_request_that_has_no_end(authorised, state, is_alone):
    other = operation_on(authorised, Operation.Kind.CAPTURE, minor=500)
    settle(other, state)
    operation = operation_on(authorised, Operation.Kind.CAPTURE, minor=500)
    deliver(service, to_capture(operation))
    assert ProviderCall.objects.get(key=operation.reference).was_alone is is_alone
