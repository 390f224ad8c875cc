"""An attempt whose purchase never began is ended, and the shopper may try again."""

from datetime import timedelta

import pytest
from django.utils import timezone

from checkout.payments.checkout_messages import SubmitPayment
from checkout.payments.models import Attempt, OutboxMessage, Payment, Saga
from checkout.payments.sagas import service as checkout_service
from checkout.payments.timers.unstarted import give_up_unstarted
from tests.payments.service.at_once import at_once
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


def test_it_is_given_up_and_may_be_tried_again(forgotten: Attempt):
    assert (give_up_unstarted(), give_up_unstarted()) == (1, 0)
    forgotten.refresh_from_db()
    payment = forgotten.payment
    payment.refresh_from_db()
    assert (forgotten.state, payment.state) == ("not_sent", "refused")
    assert payment.state in (Payment.State.OPEN, Payment.State.REFUSED)
    assert payment.facts.filter(kind="never_begun", source="clock").exists()
    assert OutboxMessage.objects.filter(type="checkout.announce_payment").exists()


def test_a_young_one_is_waited_for(forgotten: Attempt):
    Attempt.objects.filter(pk=forgotten.pk).update(created_at=timezone.now())
    assert give_up_unstarted() == 0


def test_one_whose_purchase_has_begun_is_left_alone(forgotten: Attempt):
    Saga.objects.create(
        kind="purchase", key="k", payment=forgotten.payment, attempt=forgotten, step="assess_risk"
    )
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
