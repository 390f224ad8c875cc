"""Copies of a capture, void or refund when an earlier copy may still be carried out."""

from datetime import timedelta

import pytest
from django.utils import timezone

from checkout.money import Money
from checkout.payments.models import Attempt, Operation, ProviderCall
from checkout.payments.providers.base import Outcome, ProviderResult
from tests.payments.service.asking import carry_out, inquire_operation, let_settle, operation_on
from tests.support.memory_provider.scenarios import Scenarios

pytestmark = pytest.mark.django_db

CAPTURE, VOID, REFUND = Operation.Kind.CAPTURE, Operation.Kind.VOID, Operation.Kind.REFUND
State = Operation.State
DAY = timedelta(days=1)


@pytest.fixture
def order(authorised, books):
    return books.orders[authorised.order_code]


def sent(attempt: Attempt, kind: str, minor: int = 300, **known: object) -> Operation:
    """Create an operation of which a copy was sent and got no answer."""
    operation = operation_on(attempt, kind, minor)
    operation.state = State.UNKNOWN
    operation.save()
    key = operation.reference
    defaults = {"recognised_key": key, "was_alone": True}
    ProviderCall.objects.create(attempt=attempt, key=key, verb=kind, **{**defaults, **known})
    return operation


def refuse(scenarios: Scenarios, verb: str) -> None:
    refusal = ProviderResult(outcome=Outcome.REFUSED, event="ERROR 5")
    scenarios.answer(verb, refusal)


@pytest.mark.parametrize(("age", "captured"), [(timedelta(hours=2), 300), (2 * DAY, 0)])
def test_a_copy_that_did_not_leave_us_says_nothing_of_an_earlier_one(authorised, order, age, captured):
    earlier = timezone.now() - age
    operation = sent(authorised, CAPTURE, outcome="not_sent", earlier_at=earlier)
    carry_out(operation)
    assert order.captured == Money(captured, "GBP")


def test_a_copy_that_the_provider_would_not_recognise_is_sent_at_the_risk_of_staff(authorised, order):
    operation = sent(
        authorised, CAPTURE, outcome="not_sent", earlier_at=timezone.now() - 2 * DAY, recognised_key=""
    )
    assert carry_out(operation) == "pending"
    assert order.captured == Money(300, "GBP")


def test_a_void_of_which_a_copy_is_refused_was_not_carried_out_if_the_order_is_held(
    authorised, order, scenarios
):
    operation = sent(authorised, VOID, outcome="not_shown", earlier_at=timezone.now() - DAY)
    refuse(scenarios, "void")
    assert carry_out(operation) == "unknown"
    let_settle(authorised)
    assert inquire_operation(operation) == "refused"


@pytest.mark.parametrize("kind", [CAPTURE, REFUND])
def test_what_was_given_up_may_be_what_the_provider_shows(authorised, order, kind):
    """Staff gave the first operation up, and the merchant requested another one of the same amount."""
    if kind == REFUND:
        whole = operation_on(authorised, CAPTURE, 1250)
        Operation.objects.filter(pk=whole.pk).update(state=State.DONE)
        order.captured = Money(1250, "GBP")
    given_up = sent(authorised, kind)
    refused = {"state": State.REFUSED, "refusal_reason": "not_found_at_provider"}
    Operation.objects.filter(pk=given_up.pk).update(**refused)
    second = sent(authorised, kind)
    let_settle(authorised)
    if kind == REFUND:
        order.refunded = Money(300, "GBP")
    else:
        order.captured = Money(300, "GBP")
    assert inquire_operation(second) == "undecided"
