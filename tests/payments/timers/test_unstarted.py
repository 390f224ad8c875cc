"""An attempt whose purchase never began is ended, and the shopper may try again."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from checkout.payments.checkout_messages import SubmitPayment
from checkout.payments.models import Attempt, OutboxMessage, Payment, Saga
from checkout.payments.sagas import service as checkout_service
from checkout.payments.timers.unstarted import give_up_unstarted
from tests.payments.service.at_once import at_once, behind, beside
from tests.payments.service.delivering import command, deliver

pytestmark = pytest.mark.django_db


@pytest.fixture
def forgotten(attempt: Attempt, settings) -> Attempt:
    """Return an attempt that was submitted two hours ago, and whose purchase has not begun."""
    settings.CHECKOUT_SERVICE_WAIT_SECONDS = 3600
    long_ago = timezone.now() - timedelta(hours=2)
    Attempt.objects.filter(pk=attempt.pk).update(created_at=long_ago)
    Payment.objects.filter(pk=attempt.payment_id).update(updated_at=long_ago)
    return attempt


def begin(attempt: Attempt) -> None:
    body = SubmitPayment(payment=attempt.payment.reference, attempt=attempt.order_code)
    deliver(checkout_service.service, command(body))


def saga_of(attempt: Attempt) -> Saga:
    return Saga.objects.create(
        kind="purchase", key="k", payment=attempt.payment, attempt=attempt, step="assess_risk"
    )


def test_it_is_given_up_and_may_be_tried_again(forgotten: Attempt):
    assert (give_up_unstarted(), give_up_unstarted()) == (1, 0)
    forgotten.refresh_from_db()
    payment = forgotten.payment
    payment.refresh_from_db()
    assert (forgotten.state, payment.state) == ("not_sent", "refused")
    assert payment.state in (Payment.State.OPEN, Payment.State.REFUSED)
    assert payment.facts.filter(kind="never_begun", source="clock").exists()
    assert OutboxMessage.objects.filter(type="checkout.announce_payment").exists()


def test_an_attempt_that_was_cancelled_meanwhile_is_not_tried_again(forgotten: Attempt):
    Attempt.objects.filter(pk=forgotten.pk).update(called_off_at=timezone.now())
    assert give_up_unstarted() == 1
    forgotten.refresh_from_db()
    assert (forgotten.state, forgotten.payment.state) == ("not_sent", "cancelled")


def test_a_young_one_is_waited_for(forgotten: Attempt):
    Attempt.objects.filter(pk=forgotten.pk).update(created_at=timezone.now())
    assert give_up_unstarted() == 0


def test_one_whose_purchase_has_begun_is_left_alone(forgotten: Attempt):
    saga_of(forgotten)
    assert give_up_unstarted() == 0
    forgotten.refresh_from_db()
    assert forgotten.state == "created"


def test_a_command_that_comes_later_begins_nothing_any_more(forgotten: Attempt):
    give_up_unstarted()
    begin(forgotten)
    assert not Saga.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_two_relays_that_look_at_once_give_it_up_once(forgotten: Attempt):
    assert sum(at_once(*[give_up_unstarted] * 4)) == 1
    assert OutboxMessage.objects.filter(type="checkout.announce_payment").count() == 1


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_a_purchase_does_not_begin_while_its_attempt_is_being_given_up(forgotten: Attempt):
    behind(give_up_unstarted, lambda: begin(forgotten))
    assert not Saga.objects.exists()


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_an_attempt_whose_purchase_is_just_beginning_is_not_given_up(forgotten: Attempt):
    assert beside(lambda: begin(forgotten), give_up_unstarted) == [None, 0]
    assert Saga.objects.filter(attempt=forgotten).exists()


@pytest.mark.parametrize(
    "change",
    [
        lambda attempt: saga_of(attempt),
        lambda attempt: Attempt.objects.filter(pk=attempt.pk).update(state="submitted"),
    ],
    ids=["a saga", "a state"],
)
def test_an_attempt_that_has_changed_since_the_query_is_left_alone(forgotten: Attempt, change: Any):
    """A purchase may be committed after the query began, and before it has locked the payment."""
    changes = iter([change])

    def change_after_query(execute: Any, sql: str, *rest: Any) -> Any:
        result = execute(sql, *rest)
        if sql.startswith("SELECT") and (due := next(changes, None)):
            due(forgotten)
        return result

    with connection.execute_wrapper(change_after_query):
        assert give_up_unstarted() == 0
    assert not OutboxMessage.objects.exists()
