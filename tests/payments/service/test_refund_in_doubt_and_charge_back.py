"""A refund is reported as failed, and an issuer may have taken the missing money."""

import pytest

from checkout.money import Money
from checkout.payments.models import Attempt, Operation, Saga
from checkout.payments.providers.base import EventKind
from tests.payments.service.asking import authorise, inquire_operation
from tests.payments.service.doubting import is_said_to_have_failed, made, refund
from tests.support.memory_provider.scenarios import Scenarios

pytestmark = pytest.mark.django_db
State = Operation.State


@pytest.fixture
def captured(attempt: Attempt) -> Attempt:
    authorise(attempt, "approve")
    made(attempt, Operation.Kind.CAPTURE, 1250)
    return attempt


def gbp(minor: int) -> Money:
    return Money(minor, "GBP")


def with_what_is_kept(scenarios: Scenarios, kind: EventKind, kept: Money) -> None:
    """Let the provider report only the captured money that is left, as Worldpay's balances do."""
    scenarios.tell("inquire", position=None, kept=kept, kind=kind)


@pytest.mark.parametrize("minor", [529, 1250])
def test_money_that_an_issuer_took_is_no_sign_of_the_refund(captured, scenarios, minor):
    mine = refund(captured, minor)
    is_said_to_have_failed(mine)
    with_what_is_kept(scenarios, EventKind.CHARGED_BACK, gbp(0))
    assert inquire_operation(mine) == "unknown"
    assert mine.state == State.DONE


@pytest.mark.parametrize("status", [Saga.Status.RUNNING, Saga.Status.PARKED])
def test_money_that_an_issuer_may_have_taken_by_an_open_claim_is_no_sign_either(captured, scenarios, status):
    mine = refund(captured, 529)
    is_said_to_have_failed(mine)
    claim = Saga.objects.create(
        kind="asking",
        key="charged_back:1",
        payment=captured.payment,
        attempt=captured,
        step="check",
        status=status,
        data={"claim": "charged_back"},
    )
    with_what_is_kept(scenarios, EventKind.SETTLED, gbp(1250 - 529))
    assert inquire_operation(mine) == "unknown"
    Saga.objects.filter(pk=claim.pk).update(status=Saga.Status.COMPLETED)
    assert inquire_operation(mine) == "approved"
