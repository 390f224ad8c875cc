"""Queries that do not show yet a request that has arrived: absence counts only after the lag."""

from datetime import timedelta

import pytest

from checkout.conf import conf
from checkout.money import Money
from checkout.payments.models import Attempt, Operation
from checkout.payments.providers.base import Outcome, ProviderResult
from tests.payments.service.asking import (
    authorise,
    carry_out,
    inquire,
    inquire_operation,
    operation_on,
    settle,
)
from tests.support.memory_provider.scenarios import Scenarios

pytestmark = pytest.mark.django_db

SECOND = timedelta(seconds=1)


@pytest.fixture(autouse=True)
def _queries_show_late(settings) -> None:
    settings.CHECKOUT_ORDER_LAG_SECONDS = 300


def let_pass(attempt: Attempt, time: timedelta) -> None:
    """Move the start of every provider call back."""
    for call in attempt.provider_calls.all():
        call.started_at -= time
        call.save(update_fields=["started_at"])


def test_an_order_is_denied_only_when_queries_must_show_it(attempt: Attempt):
    authorise(attempt, "lost")
    let_pass(attempt, conf.settling_time + conf.order_lag - 10 * SECOND)
    assert inquire(attempt).result["outcome"] == "unknown"
    let_pass(attempt, 20 * SECOND)
    assert inquire(attempt).result["outcome"] == "not_sent"


@pytest.mark.parametrize("kind", [Operation.Kind.CAPTURE, Operation.Kind.REFUND])
def test_a_capture_or_refund_is_sent_again_only_when_queries_must_show_it(
    attempt: Attempt, books, scenarios: Scenarios, kind: str
):
    authorise(attempt, "approve")
    if kind == Operation.Kind.REFUND:
        captured = operation_on(attempt, Operation.Kind.CAPTURE)
        carry_out(captured)
        settle(captured, Operation.State.DONE)
        let_pass(attempt, timedelta(hours=1))
        books.orders[attempt.order_code].captured = Money(1250, "GBP")
    lost = ProviderResult(outcome=Outcome.UNKNOWN, order_code=attempt.order_code)
    scenarios.answer(kind, lost)
    operation = operation_on(attempt, kind)
    assert carry_out(operation) == "unknown"
    let_pass(attempt, conf.settling_time + conf.modification_lag - 10 * SECOND)
    assert inquire_operation(operation) == "unknown"
    let_pass(attempt, 20 * SECOND)
    assert inquire_operation(operation) == "not_shown"
