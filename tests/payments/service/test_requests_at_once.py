"""Concurrent requests for the last of the money, on a database that locks rows."""

from collections.abc import Callable

import pytest

from checkout.errors import AmountNotAvailable, IllegalTransition, OperationRejected
from checkout.money import Money
from checkout.payments.actions import request_capture, request_refund, request_void
from checkout.payments.checkout_messages import StartOperation
from checkout.payments.models import Attempt, Operation, OutboxMessage, Payment, Saga
from checkout.payments.sagas.service import service
from checkout.states import PaymentState
from tests.payments.service.asking import operation_on
from tests.payments.service.at_once import at_once
from tests.payments.service.delivering import command, deliver

pytestmark = [pytest.mark.postgresql, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def reference(attempt: Attempt) -> str:
    attempt.state = Attempt.State.AUTHORISED
    attempt.save()
    Payment.objects.filter(pk=attempt.payment_id).update(state=PaymentState.AUTHORISED)
    return str(attempt.payment.reference)


def captured(attempt: Attempt) -> None:
    operation = operation_on(attempt, Operation.Kind.CAPTURE)
    operation.state = Operation.State.DONE
    operation.save()


def tried(ask: Callable[[], object]) -> Callable[[], str]:
    def attempt_it() -> str:
        try:
            ask()
        except OperationRejected as error:
            return error.code
        return "taken"

    return attempt_it


def total(kind: str) -> int:
    return sum(Operation.objects.filter(kind=kind).values_list("amount_minor", flat=True))


def test_twenty_refunds_at_once_give_back_what_was_captured_and_no_more(attempt, reference):
    captured(attempt)
    refund = tried(lambda: request_refund(reference, amount=Money(300, "GBP"), by="ada"))
    results = at_once(*[refund] * 20)
    assert results.count("taken") == 4
    assert results.count(AmountNotAvailable.code) == 16
    assert total("refund") == 1200
    assert OutboxMessage.objects.filter(type="checkout.start_operation").count() == 4


def test_twenty_full_refunds_at_once_are_one(attempt, reference):
    captured(attempt)
    results = at_once(*[tried(lambda: request_refund(reference, by="ada"))] * 20)
    assert results.count("taken") == 1
    assert total("refund") == 1250


def test_twenty_captures_at_once_take_what_is_authorised_and_no_more(reference):
    capture = tried(lambda: request_capture(reference, amount=Money(400, "GBP"), by="ada"))
    assert at_once(*[capture] * 20).count("taken") == 3
    assert total("capture") == 1200


def test_a_capture_and_a_void_at_once_are_one_of_them(reference):
    ask = [
        tried(lambda: request_capture(reference, amount=Money(1, "GBP"), by="ada")),
        tried(lambda: request_void(reference, by="bob")),
    ]
    results = at_once(*ask * 10)
    kinds = set(Operation.objects.values_list("kind", flat=True))
    assert kinds in ({"capture"}, {"void"})
    assert results.count("taken") == (10 if kinds == {"capture"} else 1)
    assert set(results) <= {"taken", IllegalTransition.code, AmountNotAvailable.code}


def test_twenty_requests_with_one_key_are_one_operation(attempt, reference):
    captured(attempt)
    views = at_once(
        *[
            lambda: (
                request_refund(reference, amount=Money(100, "GBP"), idempotency_key="k1", by="ada").reference
            )
        ]
        * 20
    )
    assert len(set(views)) == 1
    assert total("refund") == 100


def test_one_operation_that_is_started_by_many_messages_is_one_saga(reference):
    asked = request_capture(reference, by="ada")
    body = StartOperation(payment=reference, operation=asked.reference)
    sent = at_once(*[lambda: deliver(service, command(body)).commands] * 6)
    assert [envelope.type for each in sent for envelope in each] == ["payments.capture"]
    assert Saga.objects.get().key == asked.reference
