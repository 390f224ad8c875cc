"""The statements of the work in every purchase, each of which costs time in two processes."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from checkout.money import Money
from checkout.payments import actions
from checkout.payments.models import Attempt, Event, Payment, ProviderAccount
from checkout.payments.providers.base import Browser
from checkout.states import PaymentState

pytestmark = pytest.mark.django_db


@pytest.fixture
def payment(account: ProviderAccount) -> Payment:
    return actions.create_payment(
        account.merchant, order_reference="A-2", amount=Money(1250, "GBP"), description="Tea"
    )


def submit(payment: Payment, number: int = 1) -> None:
    browser = Browser(accept_header="text/html", user_agent="a browser", ip_address="192.0.2.7")
    actions.submit_payment(
        payment.reference, attempt_number=number, browser=browser, device_data_reference=""
    )


def test_the_card_form_of_a_payment_that_nobody_has_tried_to_pay_takes_two(payment: Payment):
    with CaptureQueriesContext(connection) as statements:
        page = actions.checkout_page(payment.reference)
    assert len(statements) == 2
    assert isinstance(page, actions.CheckoutPage)
    assert page.attempt_number == 1


def test_the_card_form_after_a_refusal_knows_how_often_the_payment_was_tried(payment: Payment):
    submit(payment)
    Payment.objects.update(state=PaymentState.REFUSED)
    page = actions.checkout_page(payment.reference)
    assert isinstance(page, actions.CheckoutPage)
    assert page.attempt_number == 2
    submit(payment, 2)
    assert [each.number for each in payment.attempts.order_by("number")] == [1, 2]


def test_a_page_after_the_first_attempt_takes_one(payment: Payment):
    submit(payment)
    Attempt.objects.update(card={"last4": "0001"})
    with CaptureQueriesContext(connection) as statements:
        view = actions.payment_view(payment.reference)
    assert len(statements) == 1
    assert (view.state, view.amount, view.card) == ("processing", payment.amount, {}), "no result yet"
    assert view.merchant_name == payment.merchant.name


def test_a_page_shows_the_latest_attempt(payment: Payment):
    for number in (1, 2):
        submit(payment, number)
        Attempt.objects.filter(number=number).update(card={"last4": f"000{number}"})
        Payment.objects.update(state=PaymentState.REFUSED)
    assert actions.payment_view(payment.reference).card == {"last4": "0002"}


def test_a_poll_takes_one(payment: Payment):
    with CaptureQueriesContext(connection) as statements:
        assert actions.payment_state(payment.reference) is PaymentState.OPEN
    assert len(statements) == 1


def test_paying_is_told_by_one_event_that_has_the_attempt(payment: Payment):
    with CaptureQueriesContext(connection) as statements:
        submit(payment)
    # A savepoint stands for the transaction: its begin and its end are not counted. PostgreSQL gets the three
    # writes at the end as one statement.
    expected = 6 if connection.vendor == "postgresql" else 8
    assert len([each for each in statements if "SAVEPOINT" not in each["sql"]]) == expected
    events = Event.objects.filter(payment=payment).order_by("sequence")
    assert [(each.sequence, each.type) for each in events] == [
        (1, "payment.created"),
        (2, "payment.processing"),
    ]
    assert events[1].changes["state"] == "open"
    attempt = events[1].data["latest_attempt"]
    assert (attempt["number"], attempt["state"]) == (1, "processing")
