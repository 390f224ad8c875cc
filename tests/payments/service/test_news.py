"""A notification that repeats the provider's own answer causes no message to the sagas."""

from typing import Any

import pytest

from checkout.payments.models import Attempt, Operation, Saga, SagaStep
from checkout.payments.sagas import DEFINITIONS
from checkout.payments.sagas.operations.data import OperationData
from checkout.payments.sagas.signals import Signal
from tests.payments.sagas.test_table import A_PURCHASE
from tests.payments.service.asking import authorise, operation_on, settle
from tests.payments.service.test_notification import body, events, notify, stored

pytestmark = pytest.mark.django_db
IS_PROVEN = pytest.mark.parametrize("is_proven", [True, False])


@pytest.fixture
def authorised(attempt: Attempt) -> Attempt:
    authorise(attempt, "approve")
    attempt.refresh_from_db()
    assert attempt.state == Attempt.State.AUTHORISED
    return attempt


def told(attempt: Attempt, event: str = "AUTHORISED", *, is_proven: bool = True) -> list[str]:
    row = stored(attempt, body(attempt, event), is_proven=is_proven)
    return [sent.kind for sent in events(notify(attempt, row))]


def a_purchase_that_has_asked(attempt: Attempt, *commands: str) -> None:
    saga = Saga.objects.create(
        kind="purchase", key=attempt.order_code, payment=attempt.payment, attempt=attempt, step="any"
    )
    for command in commands:
        SagaStep.objects.create(saga=saga, name="any", command=command, correlation_id=f"1::{command}:")


@IS_PROVEN
def test_the_authorisation_of_an_authorised_attempt_is_recorded_and_not_told(authorised, is_proven):
    a_purchase_that_has_asked(authorised, "payments.authorise", "payments.capture")
    assert told(authorised, is_proven=is_proven) == []
    kind = "notified_authorised" if is_proven else "hinted_authorised"
    assert authorised.facts.filter(kind=kind).count() == 1


@IS_PROVEN
def test_a_purchase_that_inquires_is_told_because_the_answer_may_not_have_reached_it(authorised, is_proven):
    a_purchase_that_has_asked(authorised, "payments.authorise", "payments.inquire")
    assert told(authorised, is_proven=is_proven) == ["authorised"]


def test_an_inquiry_of_another_attempt_does_not_count(authorised):
    other = Attempt.objects.create(
        payment=authorised.payment,
        number=2,
        provider_account=authorised.provider_account,
        order_code="another-1",
        browser={},
    )
    a_purchase_that_has_asked(other, "payments.inquire")
    assert told(authorised) == []


@pytest.mark.parametrize("state", [Operation.State.DONE, Operation.State.REFUSED])
def test_every_event_brings_the_end_of_an_operation_whose_own_event_may_be_lost(authorised, state):
    operation = operation_on(authorised, Operation.Kind.CAPTURE)
    assert told(authorised) == []
    settle(operation, state)
    row = stored(authorised, body(authorised, "AUTHORISED", number=2))
    assert [sent.kind for sent in events(notify(authorised, row))] == ["authorised"]


@pytest.mark.parametrize("event", ["CAPTURED", "REFUNDED", "CANCELLED"])
def test_everything_else_is_told(authorised, event):
    assert told(authorised, event) == [event.lower()]


@pytest.mark.parametrize("state", [each for each in Attempt.State if each != "authorised"])
def test_the_authorisation_of_any_other_attempt_is_told(authorised, state):
    Attempt.objects.update(state=state)
    assert told(authorised) == ["authorised"]


def test_no_saga_but_a_purchase_that_inquires_would_do_anything():
    """The steps are those of all definitions, so that a new one that listens is noticed."""
    datas: dict[str, Any] = {"purchase": A_PURCHASE}
    an_operation = OperationData(
        payment="pay_1", attempt="pay_1-1", operation="op_1", minor=1, currency="EUR"
    )
    listening = {
        (kind, step)
        for kind, definition in DEFINITIONS.items()
        if definition.data_type in (type(A_PURCHASE), OperationData)
        for step in definition.steps
        if definition.on_signal(step, datas.get(kind, an_operation), Signal.AUTHORISED) is not None
    }
    assert listening == {("purchase", "inquire")}
