"""Capture, void and refund, each with an operation of its own."""

import pytest

from checkout.money import Money
from checkout.payments.models import Attempt, Fact, Operation, Payment, ProviderAccount, ProviderCall
from checkout.payments.providers.base import Outcome, ProviderResult
from checkout.payments.providers.memory import MemoryProvider
from checkout.payments.service import service
from tests.payments.service.asking import authorise, operation_on, settle, to_capture, to_refund, to_void
from tests.payments.service.delivering import deliver

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
def test_a_refusal_that_comes_after_another_copy_was_sent_refuses_nothing(authorised, monkeypatch, state):
    operation = operation_on(authorised, Operation.Kind.CAPTURE)
    refusal = ProviderResult(outcome=Outcome.REFUSED, order_code=authorised.order_code, event="ERROR")

    def refuse_late(*_: object) -> ProviderResult:
        settle(operation, state)
        return refusal

    monkeypatch.setattr(MemoryProvider, "capture", refuse_late)
    assert deliver(service, to_capture(operation)).result["outcome"] == state
    operation.refresh_from_db()
    assert operation.state == state


def test_what_was_not_sent_may_be_sent_again_with_the_same_key(authorised, books, settings):
    operation = operation_on(authorised, Operation.Kind.CAPTURE)
    settings.CHECKOUT_PROVIDER_CREDENTIALS = {}
    assert deliver(service, to_capture(operation)).result["outcome"] == "not_sent"
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
    assert deliver(service, envelope).result["outcome"] == "not_sent"
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
