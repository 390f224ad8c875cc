"""An abandoned payment expires; one with a running saga does not."""

from datetime import timedelta

import msgspec
import pytest
from django.utils import timezone

from checkout.errors import IllegalTransition
from checkout.payments.actions import payment_view, submit_payment
from checkout.payments.checkout_messages import AnnouncePayment
from checkout.payments.models import Attempt, OutboxMessage, Payment, Saga
from checkout.payments.providers.base import Browser
from checkout.payments.timers.abandoned import expire_abandoned
from tests.payments.service.at_once import at_once

pytestmark = pytest.mark.django_db

BROWSER = Browser(accept_header="text/html", user_agent="Test", ip_address="192.0.2.7")


def untouched_for(payment: Payment, lifetime: timedelta, state: str = Payment.State.OPEN) -> Payment:
    Payment.objects.filter(pk=payment.pk).update(state=state, updated_at=timezone.now() - lifetime)
    payment.refresh_from_db()
    return payment


@pytest.fixture
def payment(attempt: Attempt, settings) -> Payment:
    settings.CHECKOUT_ABANDONED_SECONDS = 3600
    return untouched_for(attempt.payment, timedelta(hours=2))


@pytest.mark.parametrize("state", [Payment.State.OPEN, Payment.State.REFUSED])
def test_an_unpaid_payment_expires_by_the_clock_and_is_announced(payment: Payment, state: str):
    untouched_for(payment, timedelta(hours=2), state)
    assert (expire_abandoned(), expire_abandoned()) == (1, 0)
    payment.refresh_from_db()
    assert payment.state == Payment.State.EXPIRED
    fact = payment.facts.get(kind="abandoned")
    assert (fact.source, fact.data) == ("clock", {"state": state})
    row = OutboxMessage.objects.get(type="checkout.announce_payment")
    told = msgspec.json.decode(row.body, type=AnnouncePayment)
    assert told == AnnouncePayment(payment=payment.reference)


def test_a_payment_that_was_touched_lately_does_not_expire(payment: Payment):
    untouched_for(payment, timedelta(minutes=59))
    assert expire_abandoned() == 0


@pytest.mark.parametrize(
    "state", [state for state in Payment.State if state not in (Payment.State.OPEN, Payment.State.REFUSED)]
)
def test_one_in_any_other_state_does_not(payment: Payment, state: str):
    untouched_for(payment, timedelta(days=99), state)
    assert expire_abandoned() == 0


@pytest.mark.parametrize(
    ("status", "expired"), [("running", 0), ("parked", 0), ("compensated", 1), ("completed", 1)]
)
def test_one_with_a_saga_that_has_not_ended_does_not(payment: Payment, attempt: Attempt, status, expired):
    untouched_for(payment, timedelta(hours=2), Payment.State.REFUSED)
    Saga.objects.create(
        kind="purchase", key="k", payment=payment, attempt=attempt, step="release_stock", status=status
    )
    assert expire_abandoned() == expired


def test_an_expired_payment_cannot_be_paid(payment: Payment):
    Attempt.objects.all().delete()
    expire_abandoned()
    with pytest.raises(IllegalTransition):
        submit_payment(payment.reference, attempt_number=1, browser=BROWSER, device_data_reference="")


@pytest.mark.django_db(transaction=True)
def test_a_shopper_who_comes_at_the_last_moment_pays_or_is_refused_and_never_both(payment: Payment):
    Attempt.objects.all().delete()

    def pay() -> str:
        try:
            submit_payment(payment.reference, attempt_number=1, browser=BROWSER, device_data_reference="")
        except IllegalTransition:
            return "refused"
        return "paid"

    outcomes = at_once(pay, lambda: "expired" if expire_abandoned() else "left")
    payment.refresh_from_db()
    assert (set(outcomes), payment.state) in [
        ({"paid", "left"}, Payment.State.PROCESSING),
        ({"refused", "expired"}, Payment.State.EXPIRED),
    ]


@pytest.mark.django_db(transaction=True)
def test_several_relays_expire_each_payment_once(payment: Payment):
    assert sum(at_once(*[expire_abandoned] * 4)) == 1
    assert OutboxMessage.objects.filter(type="checkout.announce_payment").count() == 1


def test_a_payment_has_a_time_of_its_own(payment: Payment):
    payment.expires_at = timezone.now() + timedelta(hours=1)
    payment.save()
    untouched_for(payment, timedelta(days=99))
    assert expire_abandoned() == 0
    Payment.objects.update(expires_at=timezone.now())
    assert payment_view(payment.reference).state == Payment.State.EXPIRED
    with pytest.raises(IllegalTransition):
        submit_payment(payment.reference, attempt_number=2, browser=BROWSER, device_data_reference="")
    assert expire_abandoned() == 1
    payment.refresh_from_db()
    assert payment.state == Payment.State.EXPIRED
