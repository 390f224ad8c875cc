"""Staff have called an operation done, and a proven notification names another amount for it."""

import pytest

from checkout.errors import OperationRejected
from checkout.payments.models import Attempt, Operation, Payment, ProviderNotification, Saga
from checkout.payments.objects import payment_object
from checkout.payments.providers.base import Verb
from checkout.payments.sagas.service import service
from checkout.states import AttemptState
from tests.payments.providers.worldpay_messages import balance
from tests.payments.service.asking import inquire_operation, let_settle, operation_on, settle
from tests.payments.service.contradicting import books_with, settled
from tests.payments.service.delivering import deliver
from tests.payments.service.replying import answered
from tests.payments.service.settling import authorised as made_authorised, decided, parked, relay, saga_of
from tests.payments.service.test_notification import body, notify, stored
from tests.support.settling import settle_operation

pytestmark = pytest.mark.django_db
CAPTURE, VOID, REFUND = Operation.Kind.CAPTURE, Operation.Kind.VOID, Operation.Kind.REFUND
State = Operation.State
OWED = 1250


def called_done(attempt: Attempt, kind: str, minor: int) -> Operation:
    """Return an operation without an outcome that has arrived according to staff."""
    made_authorised(attempt)
    if kind == REFUND:
        settle(operation_on(attempt, CAPTURE, OWED), State.DONE)
    operation = parked(attempt, kind, minor)
    relay(deliver(service, decided(operation, arrived=True)))
    let_settle(attempt)
    operation.refresh_from_db()
    assert operation.state == State.DONE
    return operation


def told(operation: Operation, event: str, minor: int) -> None:
    """Deliver a proven notification that names the operation, and the resulting messages."""
    text = body(operation.attempt, event, minor=minor, reference=operation.reference)
    row = stored(operation.attempt, text)
    for command in notify(operation.attempt, row).commands:
        deliver(service, command)
    assert row.state == ProviderNotification.State.CONFLICTED


@pytest.fixture
def answers(worldpay):
    """Return a function that asks the provider about an operation, and lets its saga handle the answer."""

    def answer(operation: Operation, event: str, balances: str = "") -> Saga:
        worldpay(operation.attempt, Verb.INQUIRE, event, balances=balances)
        saga = saga_of(operation)
        assert saga.step == "inquire"
        answered(saga, outcome=inquire_operation(operation))
        return saga

    return answer


@pytest.mark.parametrize(
    ("kind", "event", "asked", "booked"),
    [(CAPTURE, "CAPTURED", 1250, 1000), (REFUND, "REFUNDED", 500, 450)],
)
def test_a_proven_event_of_another_amount_contradicts_what_staff_have_called_done(
    attempt, answers, kind, event, asked, booked
):
    operation = called_done(attempt, kind, asked)
    told(operation, event, booked)
    saga = answers(operation, event)
    assert (saga.status, saga.step) == (Saga.Status.PARKED, "conflicted")
    attempt.refresh_from_db()
    assert attempt.state == AttemptState.CONFLICTED
    with pytest.raises(OperationRejected, match="Settle the payment by figures"):
        settle_operation(operation.reference, arrived=True, by="ada", reason="It is there")


def test_the_figures_of_staff_replace_what_they_have_called_done(attempt, answers):
    capture = called_done(attempt, CAPTURE, OWED)
    told(capture, "CAPTURED", 1000)
    saga = answers(capture, "CAPTURED")
    attempt.refresh_from_db()
    settled(attempt, books_with(1000, is_held=False, lacks=frozenset({capture.reference})))
    capture.refresh_from_db()
    saga.refresh_from_db()
    assert (capture.state, saga.status) == (State.REFUSED, Saga.Status.COMPENSATED)
    assert payment_object(Payment.objects.select_related("merchant").get()).amounts.captured == 1000


def test_figures_that_are_ours_confirm_what_staff_have_called_done(attempt, answers):
    capture = called_done(attempt, CAPTURE, OWED)
    told(capture, "CAPTURED", 1000)
    saga = answers(capture, "CAPTURED")
    attempt.refresh_from_db()
    settled(attempt, books_with(OWED))
    capture.refresh_from_db()
    saga.refresh_from_db()
    assert (capture.state, capture.doubt, saga.status) == (State.DONE, "", Saga.Status.COMPLETED)


def test_an_answer_from_before_the_notification_contradicts_nothing(attempt, answers, settings):
    capture = called_done(attempt, CAPTURE, OWED)
    settings.CHECKOUT_ORDER_LAG_SECONDS = 300
    told(capture, "CAPTURED", 1000)
    saga = answers(capture, "AUTHORISED")
    assert (saga.status, saga.step) == (Saga.Status.RUNNING, "inquire")
    attempt.refresh_from_db()
    assert attempt.state == AttemptState.AUTHORISED


def test_figures_end_the_doubt_of_a_void_and_a_later_notification_changes_nothing(attempt):
    made_authorised(attempt)
    void = parked(attempt, VOID)
    told(void, "CANCELLED", 1000)
    attempt.refresh_from_db()
    settled(attempt, books_with(0))
    void.refresh_from_db()
    assert (void.state, void.doubt) == (State.DONE, "")
    text = body(attempt, "CANCELLED", minor=OWED, reference=void.reference, number=2)
    for command in notify(attempt, stored(attempt, text)).commands:
        deliver(service, command)
    assert saga_of(void).step == "finished"


def test_sums_that_are_exactly_ours_show_that_staff_were_right(attempt, answers):
    capture = called_done(attempt, CAPTURE, OWED)
    told(capture, "CAPTURED", 1000)
    Operation.objects.update(doubted_at=None)
    saga = answers(capture, "CAPTURED", balance("IN_PROCESS_CAPTURED", OWED))
    assert (saga.status, saga.data["is_doubted"]) == (Saga.Status.COMPLETED, False)
    capture.refresh_from_db()
    assert (capture.state, capture.doubt) == (State.DONE, "")


def test_an_operation_of_another_amount_is_not_sent_again(attempt):
    made_authorised(attempt)
    capture = parked(attempt, CAPTURE)
    told(capture, "CAPTURED", 1000)
    let_settle(attempt)
    with pytest.raises(OperationRejected, match="may move money twice"):
        settle_operation(capture.reference, arrived=False, by="ada", reason="It is not there")


def test_the_amount_of_a_release_puts_no_void_in_doubt_that_is_done(attempt):
    made_authorised(attempt)
    void = parked(attempt, VOID)
    deliver(service, decided(void, arrived=True))
    told(void, "CANCELLED", 1000)
    void.refresh_from_db()
    assert (void.doubt, saga_of(void).step) == ("", "finished")
